//! What it takes to evaluate a condition.

use cel::common::ast::{EntryExpr, Expr, IdedExpr, SelectExpr};

use super::Variable;

/// How many items of lists the conditions of a text may go through. It is a tenth of a second.
const ITEMS_OF_TEXT: u64 = 250_000;

/// What a statement may, however many others its text has.
const ITEMS_OF_STATEMENT: u64 = 1_000;

/// A pattern is compiled whenever it is asked, which takes as long as this many items.
const ITEMS_OF_PATTERN: u64 = 16;

/// The lists whose lengths are up to whoever writes the SQL.
const LISTS: &[&str] = &[
    "kinds",
    "features",
    "tables",
    "functions",
    "settings",
    "columns",
];

/// What the conditions of a statement may still go through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    items: u64,
}

/// How the time that a condition takes grows with the lists that it goes through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    /// How many loops stand in each other.
    loops: u32,
    /// Whether a pattern is asked in one.
    has_pattern: bool,
}

impl Budget {
    /// The share of a statement in a text of so many.
    pub(crate) fn share(statements: usize) -> Self {
        let statements = u64::try_from(statements).unwrap_or(u64::MAX).max(1);
        Self {
            items: (ITEMS_OF_TEXT / statements).max(ITEMS_OF_STATEMENT),
        }
    }

    /// Takes some; says whether there were so many left.
    pub(crate) fn take(&mut self, items: u64) -> bool {
        let left = self.items.checked_sub(items);
        self.items = left.unwrap_or(self.items);
        left.is_some()
    }
}

impl Cost {
    pub(super) fn of(expression: &IdedExpr) -> Self {
        let mut walk = Walk {
            bound: Vec::new(),
            meets_bound: false,
            has_pattern: false,
        };
        Self {
            loops: walk.loops(expression),
            has_pattern: walk.has_pattern,
        }
    }

    /// How many items it goes through, at most, where its lists have so many.
    pub(super) fn with(self, items: usize) -> u64 {
        if self.loops == 0 {
            return 0;
        }
        let weight = if self.has_pattern {
            ITEMS_OF_PATTERN
        } else {
            1
        };
        u64::try_from(items)
            .unwrap_or(u64::MAX)
            .saturating_pow(self.loops)
            .saturating_mul(weight)
    }
}

struct Walk<'e> {
    /// Variables of the loops around.
    bound: Vec<&'e str>,
    /// Whether one of them was met.
    meets_bound: bool,
    has_pattern: bool,
}

impl<'e> Walk<'e> {
    /// The loops in an expression over lists that SQL makes as long as it likes. To use such a list
    /// as a whole (`in`, `==`) is a loop, too.
    fn loops(&mut self, expression: &'e IdedExpr) -> u32 {
        match &expression.expr {
            Expr::Unspecified | Expr::Literal(_) => 0,
            Expr::Ident(name) => {
                self.meets_bound |= self.bound.contains(&name.as_str());
                u32::from(self.is_of_sql(name))
            }
            Expr::Select(select) => self.field(select),
            Expr::Call(call) => {
                self.has_pattern |= call.func_name == "matches" && !self.bound.is_empty();
                let operands = call.target.as_deref().into_iter().chain(&call.args);
                // A list knows its length.
                let operands = operands.filter(|operand| {
                    call.func_name != "size" || !matches!(operand.expr, Expr::Select(_))
                });
                operands
                    .map(|operand| self.loops(operand))
                    .max()
                    .unwrap_or(0)
            }
            Expr::List(list) => self.most(&list.elements),
            Expr::Map(map) => {
                let entries = map.entries.iter().map(|entry| self.entry(&entry.expr));
                entries.max().unwrap_or(0)
            }
            Expr::Struct(structure) => {
                let entries = structure
                    .entries
                    .iter()
                    .map(|entry| self.entry(&entry.expr));
                entries.max().unwrap_or(0)
            }
            Expr::Comprehension(each) => {
                let met_bound = std::mem::take(&mut self.meets_bound);
                let over = self.loops(&each.iter_range);
                // What a loop around is at may be such a list as well.
                let is_loop = over > 0 || self.meets_bound;
                self.meets_bound |= met_bound;
                let before = self.bound.len();
                self.bound.push(&each.iter_var);
                self.bound.push(&each.accu_var);
                self.bound.extend(each.iter_var2.as_deref());
                let inside = [
                    &each.accu_init,
                    &each.loop_cond,
                    &each.loop_step,
                    &each.result,
                ];
                let inside = inside.map(|part| self.loops(part)).into_iter().max();
                self.bound.truncate(before);
                over.max(u32::from(is_loop) + inside.unwrap_or(0))
            }
        }
    }

    fn most(&mut self, expressions: &'e [IdedExpr]) -> u32 {
        let loops = expressions.iter().map(|expression| self.loops(expression));
        loops.max().unwrap_or(0)
    }

    fn entry(&mut self, entry: &'e EntryExpr) -> u32 {
        match entry {
            EntryExpr::StructField(field) => self.loops(&field.value),
            EntryExpr::MapEntry(entry) => self.loops(&entry.key).max(self.loops(&entry.value)),
        }
    }

    fn field(&mut self, select: &'e SelectExpr) -> u32 {
        if let Expr::Ident(name) = &select.operand.expr
            && self.is_of_sql(name)
        {
            return u32::from(!select.test && LISTS.contains(&select.field.as_str()));
        }
        self.loops(&select.operand)
    }

    fn is_of_sql(&self, name: &str) -> bool {
        !self.bound.contains(&name)
            && matches!(
                Variable::from_word(name),
                Some(Variable::Statement | Variable::Effect)
            )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(condition: &str) -> Cost {
        let program = super::super::ENVIRONMENT
            .compile(condition)
            .expect("the condition is right");
        Cost::of(program.expression())
    }

    #[test]
    fn loops_over_what_sql_makes_long_are_counted() {
        for (condition, loops) in [
            ("user == 'a' && effect.name.startsWith('b')", 0),
            ("groups.exists(g, g == effect.name)", 0),
            (
                "size(statement.tables) > 2 && statement.tables.size() < 9",
                0,
            ),
            ("has(statement.tables)", 0),
            ("'a' in statement.tables", 1),
            ("'a' in statement['tables']", 1),
            ("effect.columns.all(c, c != 'a')", 1),
            ("statement.tables.exists(t, t == effect.name)", 1),
            ("groups.exists(g, statement.tables.exists(t, t == g))", 1),
            ("statement.tables.exists(t, groups.exists(g, t == g))", 1),
            ("[statement.tables].exists(l, l.exists(t, t == 'a'))", 2),
            ("statement.tables.exists(t, t in statement.functions)", 2),
            (
                "statement.tables.map(t, t + 'x').exists(t, t == effect.name)",
                1,
            ),
            (
                "statement.tables.exists(t, effect.columns.exists(c, c in statement.settings))",
                3,
            ),
            ("statement.tables.exists(statement, statement == 'a')", 1),
        ] {
            assert_eq!(cost(condition).loops, loops, "{condition}");
        }
    }

    #[test]
    fn loops_in_each_other_multiply() {
        assert_eq!(cost("effect.name.matches('a')").with(4_000), 0);
        assert_eq!(cost("'a' in statement.tables").with(4_000), 4_000);
        let pattern = "statement.tables.exists(t, t.matches('a'))";
        assert_eq!(cost(pattern).with(4_000), 64_000);
        let twice = "statement.tables.exists(t, t in statement.functions)";
        assert_eq!(cost(twice).with(4_000), 16_000_000);
        assert_eq!(cost(twice).with(usize::MAX), u64::MAX);
    }

    #[test]
    fn statements_of_a_text_share_a_budget() {
        let mut alone = Budget::share(1);
        assert!(alone.take(249_999) && !alone.take(2) && alone.take(1));
        let mut tenth = Budget::share(10);
        assert!(!tenth.take(25_001) && tenth.take(25_000));
        assert!(Budget::share(100_000).take(1_000));
        assert!(Budget::share(0).take(250_000));
    }
}
