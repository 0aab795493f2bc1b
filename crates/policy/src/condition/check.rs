//! What a condition refers to.

use cel::Program;
use cel::common::ast::{EntryExpr, Expr, IdedExpr};

use super::Variable;
use super::input::{EFFECT_FIELDS, STATEMENT_FIELDS};
use crate::yaml::advice;

/// What a rule is about, and so which variables there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Statement,
    Effect,
}

/// Functions and operators of CEL that a condition may use.
const FUNCTIONS: &[&str] = &[
    "contains",
    "double",
    "endsWith",
    "int",
    "matches",
    "size",
    "startsWith",
    "string",
    "uint",
    "max",
    "min",
];

/// The variables that a program refers to, or what is wrong with its references.
pub(super) fn references(program: &Program, scope: Scope) -> Result<Vec<Variable>, Vec<String>> {
    let mut walk = Walk {
        scope,
        bound: Vec::new(),
        variables: Vec::new(),
        mistakes: Vec::new(),
    };
    walk.expression(program.expression());
    if walk.mistakes.is_empty() {
        Ok(walk.variables)
    } else {
        Err(walk.mistakes)
    }
}

struct Walk<'e> {
    scope: Scope,
    /// Variables of `exists` and its like.
    bound: Vec<&'e str>,
    variables: Vec<Variable>,
    mistakes: Vec<String>,
}

impl<'e> Walk<'e> {
    fn expression(&mut self, expression: &'e IdedExpr) {
        match &expression.expr {
            Expr::Unspecified | Expr::Literal(_) => {}
            Expr::Ident(name) => self.identifier(name),
            Expr::Select(select) => {
                if let Expr::Ident(name) = &select.operand.expr
                    && !self.bound.contains(&name.as_str())
                {
                    self.field(name, &select.field);
                }
                self.expression(&select.operand);
            }
            Expr::Call(call) => {
                self.function(&call.func_name);
                if let Some(target) = &call.target {
                    self.expression(target);
                }
                call.args
                    .iter()
                    .for_each(|argument| self.expression(argument));
            }
            Expr::List(list) => list.elements.iter().for_each(|item| self.expression(item)),
            Expr::Map(map) => {
                for entry in &map.entries {
                    self.entry(&entry.expr);
                }
            }
            Expr::Struct(structure) => {
                self.mistakes
                    .push(format!("{} is no type of a condition", structure.type_name));
            }
            Expr::Comprehension(each) => {
                self.expression(&each.iter_range);
                self.expression(&each.accu_init);
                let before = self.bound.len();
                self.bound.push(&each.iter_var);
                self.bound.push(&each.accu_var);
                self.bound.extend(each.iter_var2.as_deref());
                self.expression(&each.loop_cond);
                self.expression(&each.loop_step);
                self.expression(&each.result);
                self.bound.truncate(before);
            }
        }
    }

    fn entry(&mut self, entry: &'e EntryExpr) {
        match entry {
            EntryExpr::StructField(field) => self.expression(&field.value),
            EntryExpr::MapEntry(entry) => {
                self.expression(&entry.key);
                self.expression(&entry.value);
            }
        }
    }

    fn identifier(&mut self, name: &'e str) {
        if name.starts_with('@') || self.bound.contains(&name) {
            return;
        }
        match Variable::from_word(name) {
            Some(Variable::Effect) if self.scope == Scope::Statement => {
                self.mistakes.push(
                    "the rule is about statements as a whole, where there is no variable effect"
                        .to_owned(),
                );
            }
            Some(variable) if !self.variables.contains(&variable) => self.variables.push(variable),
            Some(_) => {}
            None => {
                let known = Variable::ALL.iter().map(|variable| variable.as_str());
                self.unknown("variable", name, known);
            }
        }
    }

    fn field(&mut self, of: &str, field: &str) {
        let known = match Variable::from_word(of) {
            Some(Variable::Statement) => STATEMENT_FIELDS,
            Some(Variable::Effect) => EFFECT_FIELDS,
            _ => return,
        };
        if !known.contains(&field) {
            self.unknown(&format!("field of {of}"), field, known.iter().copied());
        }
    }

    /// Operators have names that nobody can write.
    fn function(&mut self, name: &str) {
        let is_operator = !name.starts_with(|letter: char| letter.is_ascii_alphabetic());
        if !is_operator && !FUNCTIONS.contains(&name) {
            self.unknown("function", name, FUNCTIONS.iter().copied());
        }
    }

    fn unknown<'w>(
        &mut self,
        what: &str,
        name: &str,
        known: impl Iterator<Item = &'w str> + Clone,
    ) {
        let advice = advice(name, known);
        self.mistakes
            .push(format!("unknown {what} {name}; {advice}"));
    }
}
