//! Conditions in CEL: what native matchers can't say.

mod check;
mod cost;
mod input;

use std::fmt;
use std::sync::{Arc, LazyLock};

use cel::{Context, Env, ExecutionError, Program, Value};

pub(crate) use check::Scope as ConditionScope;
pub(crate) use cost::Budget;
use cost::Cost;
pub(crate) use input::{Input, StatementSeen};

/// A compiled condition: the text between the quotes of `when`.
pub(crate) struct Condition {
    program: Program,
    /// The variables that it asks for.
    variables: Vec<Variable>,
    cost: Cost,
}

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

crate::words::closed_set! {
    /// A variable of a condition.
    pub enum Variable {
        /// The role that the client authenticated as.
        User = "user",
        /// The database.
        Database = "database",
        /// The backend's name; empty where there is only one.
        Backend = "backend",
        /// The principal's groups, a list.
        Groups = "groups",
        /// The claims of its token, a map.
        Claims = "claims",
        /// The names in its certificate, a list.
        Certificate = "certificate",
        /// Its address; empty through a Unix socket.
        ClientAddr = "client_addr",
        /// Whether its connection is under TLS.
        Tls = "tls",
        /// What it calls itself: a hint.
        ApplicationName = "application_name",
        /// The statement, a map.
        Statement = "statement",
        /// The effect at hand, a map; only in rules that are about effects.
        Effect = "effect",
        /// `idle`, `open` or `failed`.
        Transaction = "transaction",
        /// The time: seconds since 1970.
        Now = "now",
        /// The hour of the day in UTC, 0 to 23.
        Hour = "hour",
        /// The day of the week in UTC: `monday` and so on.
        Weekday = "weekday",
    }
}

impl Variable {
    /// Whether it changes from one execution to the next.
    fn is_of_the_moment(self) -> bool {
        matches!(
            self,
            Self::Transaction | Self::Now | Self::Hour | Self::Weekday
        )
    }
}

impl Condition {
    /// Compiles a condition and checks what it refers to; says all that is wrong with it.
    pub(crate) fn compile(text: &str, scope: ConditionScope) -> Result<Self, Vec<String>> {
        let program = ENVIRONMENT.compile(text).map_err(|errors| {
            let errors = errors.errors.iter();
            errors
                .map(|error| format!("no readable CEL: {}", error.to_string().trim()))
                .collect::<Vec<_>>()
        })?;
        let variables = check::references(&program, scope)?;
        let condition = Self {
            cost: Cost::of(program.expression()),
            program,
            variables,
        };
        condition.rehearse(scope).map_err(|mistake| vec![mistake])?;
        Ok(condition)
    }

    /// Whether it holds; `None` where it can't be evaluated, be it that it takes too long.
    pub(crate) fn holds(&self, input: &Input<'_>, budget: &mut Budget) -> Option<bool> {
        if !budget.take(self.cost.with(input.items())) {
            return None;
        }
        match self.evaluate(input) {
            Ok(Value::Bool(holds)) => Some(holds),
            Ok(_) | Err(_) => None,
        }
    }

    /// Whether its answer may be another one a moment later.
    pub(crate) fn is_of_the_moment(&self) -> bool {
        self.variables
            .iter()
            .any(|variable| variable.is_of_the_moment())
    }

    /// Whether its answer may be another one for another effect of the same statement.
    pub(crate) fn is_about_effect(&self) -> bool {
        self.variables.contains(&Variable::Effect)
    }

    /// Whether it looks at the statement.
    pub(crate) fn is_about_statement(&self) -> bool {
        self.variables.contains(&Variable::Statement)
    }

    fn evaluate(&self, input: &Input<'_>) -> Result<Value, ExecutionError> {
        let mut context = input.statement.map_or_else(
            || Context::with_env(Arc::clone(&ENVIRONMENT)),
            StatementSeen::scope,
        );
        for variable in &self.variables {
            if let Some(value) = input.value(*variable) {
                context.add_variable_from_value(variable.as_str(), value);
            }
        }
        self.program.execute(&context)
    }

    /// Runs it on made-up input, so that errors of types are found before they matter.
    fn rehearse(&self, scope: ConditionScope) -> Result<(), String> {
        input::rehearsals(scope, &mut |input| match self.evaluate(input) {
            Ok(Value::Bool(_)) => Ok(()),
            Ok(other) => Err(format!(
                "the condition is {}, and has to be true or false",
                other.type_of()
            )),
            // It depends on the input: a claim that isn't there, an item of a list.
            Err(
                ExecutionError::NoSuchKey(_)
                | ExecutionError::IndexOutOfBounds(_)
                | ExecutionError::DivisionByZero(_)
                | ExecutionError::RemainderByZero(_)
                | ExecutionError::Overflow(..)
                | ExecutionError::FunctionError { .. },
            ) => Ok(()),
            Err(error) => Err(format!("the condition fails: {error}")),
        })
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.program.source_info().source)
    }
}
