//! Functions of PostgreSQL and of its contrib modules that do more than their call says.
//!
//! By name, whatever the schema: who gives a function of his own such a name is judged by it.

use pg_query::Node;
use pg_query::protobuf::AExprKind;
use pg_query::protobuf::node::Node as N;
use querycop_policy::facts::{
    Action, Feature, Name, Object, ObjectKind, SettingScope, SettingValue,
};

use super::Reader;
use super::constant::{is_literal, same_columns, string_literal};
use super::names::word;

/// What a known function does besides being called.
#[derive(Clone, Copy)]
enum Known {
    SetConfig,
    /// Runs SQL that stands in a string.
    Sql,
    /// Connects elsewhere with a connection string, which can hold a password.
    Dblink,
    /// Reads relations that a string names, or all.
    ReadsAny,
    ServerFile,
    Advances,
    LargeObjectRead,
    LargeObjectWrite,
    Notify,
    AdvisoryLock,
    Signal,
    Maintenance,
    Replication,
}

impl<'a> Reader<'a> {
    /// Adds what a function is known to do.
    pub(super) fn known_function(&mut self, function: &str, args: &'a [Node]) {
        let Some(known) = known(function) else { return };
        match known {
            Known::SetConfig => self.set_config(args),
            Known::Sql => {
                self.feature(Feature::OpaqueCode);
                self.plain_effect(Action::Code, "sql_in_string");
            }
            Known::Dblink => {
                self.feature(Feature::OpaqueCode);
                if args.iter().any(is_literal) {
                    self.feature(Feature::PasswordLiteral);
                }
                self.plain_effect(Action::Code, "dblink");
            }
            Known::ReadsAny => {
                self.effect(Action::Read, "any", Object::hidden(ObjectKind::Relation));
            }
            Known::ServerFile => {
                self.effect(Action::UnsafeIo, "file", Object::hidden(ObjectKind::File));
            }
            Known::Advances => self.advance(args),
            Known::LargeObjectRead => {
                self.effect(Action::Read, "", Object::hidden(ObjectKind::LargeObject));
            }
            Known::LargeObjectWrite => {
                self.effect(Action::Update, "", Object::hidden(ObjectKind::LargeObject));
            }
            Known::Notify => {
                let channel = args.first().and_then(string_literal).unwrap_or_default();
                self.named_effect(Action::Notify, "notify", ObjectKind::Channel, channel);
            }
            Known::AdvisoryLock => self.plain_effect(Action::Lock, "advisory"),
            Known::Signal => self.plain_effect(Action::Maintenance, "signal_backend"),
            Known::Maintenance => self.plain_effect(Action::Maintenance, "server"),
            Known::Replication => self.plain_effect(Action::Replication, "function"),
        }
    }

    /// `set_config(name, value, is_local)` is SET.
    fn set_config(&mut self, args: &'a [Node]) {
        // Named arguments are no literals, so whoever uses them changes a hidden setting.
        let name = args
            .first()
            .and_then(|name| string_literal(name).or_else(|| self.selected_setting(name)));
        let value = match args.get(1).and_then(string_literal) {
            Some(value) => SettingValue::To(vec![value.into()]),
            None => SettingValue::Hidden,
        };
        // Whether it is local can't be told from an expression; the longer one is the cautious one.
        self.change_setting(name, value, SettingScope::Session);
    }

    /// The only setting that a column can name in `SELECT set_config(name, …) FROM pg_settings
    /// WHERE name = 'x'`, by which `pg_dump` changes a setting that may not be there.
    fn selected_setting(&self, column: &'a Node) -> Option<&'a str> {
        let select = self.selecting?;
        let [from] = select.from_clause.as_slice() else {
            return None;
        };
        let Some(N::RangeVar(relation)) = &from.node else {
            return None;
        };
        let is_settings = relation.relname == "pg_settings"
            && matches!(relation.schemaname.as_str(), "" | "pg_catalog");
        if !is_settings || !select.group_clause.is_empty() {
            return None;
        }
        let Some(N::AExpr(condition)) = &select.where_clause.as_deref()?.node else {
            return None;
        };
        let is_equality = condition.kind() == AExprKind::AexprOp
            && condition.name.len() == 1
            && condition.name.first().and_then(word) == Some("=");
        if !is_equality || !same_columns(condition.lexpr.as_deref()?, column) {
            return None;
        }
        string_literal(condition.rexpr.as_deref()?)
    }

    /// `nextval` and `setval` of a sequence, which is named by a string.
    fn advance(&mut self, args: &'a [Node]) {
        let name = args.first().and_then(string_literal).and_then(plain_name);
        let object = Object::new(ObjectKind::Sequence, name.unwrap_or_default());
        self.effect(Action::Update, "", object);
    }
}

/// A name in a string, if it is written plainly: without quotes, folded to lower case.
fn plain_name(text: &str) -> Option<Name> {
    let plain = |part: &&str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let parts: Vec<_> = text.split('.').collect();
    if !parts.iter().all(plain) {
        return None;
    }
    match parts.as_slice() {
        [name] => Some(Name::unqualified(&name.to_ascii_lowercase())),
        [schema, name] => Some(Name::qualified(
            &schema.to_ascii_lowercase(),
            &name.to_ascii_lowercase(),
        )),
        _ => None,
    }
}

fn known(function: &str) -> Option<Known> {
    let known = match function {
        "set_config" => Known::SetConfig,
        "query_to_xml"
        | "query_to_xml_and_xmlschema"
        | "query_to_xmlschema"
        | "cursor_to_xml"
        | "cursor_to_xmlschema"
        | "ts_stat"
        | "ts_rewrite"
        | "crosstab"
        | "crosstab2"
        | "crosstab3"
        | "crosstab4"
        | "connectby"
        | "xpath_table"
        | "pg_background_launch" => Known::Sql,
        "table_to_xml"
        | "table_to_xml_and_xmlschema"
        | "table_to_xmlschema"
        | "schema_to_xml"
        | "schema_to_xml_and_xmlschema"
        | "schema_to_xmlschema"
        | "database_to_xml"
        | "database_to_xml_and_xmlschema"
        | "database_to_xmlschema"
        | "pgstattuple"
        | "get_raw_page"
        | "heap_page_items" => Known::ReadsAny,
        "lo_import"
        | "lo_export"
        | "pg_read_file"
        | "pg_read_binary_file"
        | "pg_read_file_old"
        | "pg_stat_file"
        | "pg_hba_file_rules"
        | "pg_ident_file_mappings"
        | "pg_show_all_file_settings"
        | "pg_logdir_ls"
        | "pg_current_logfile" => Known::ServerFile,
        "nextval" | "setval" => Known::Advances,
        "lo_get" | "lo_open" | "loread" | "lo_lseek" | "lo_lseek64" | "lo_tell" | "lo_tell64" => {
            Known::LargeObjectRead
        }
        "lo_creat" | "lo_create" | "lo_from_bytea" | "lo_put" | "lo_truncate" | "lo_truncate64"
        | "lo_unlink" | "lowrite" => Known::LargeObjectWrite,
        "pg_notify" => Known::Notify,
        "pg_terminate_backend" | "pg_cancel_backend" | "pg_log_backend_memory_contexts" => {
            Known::Signal
        }
        "pg_reload_conf"
        | "pg_rotate_logfile"
        | "pg_rotate_logfile_old"
        | "pg_promote"
        | "pg_switch_wal"
        | "pg_create_restore_point"
        | "pg_backup_start"
        | "pg_backup_stop"
        | "pg_start_backup"
        | "pg_stop_backup"
        | "pg_wal_replay_pause"
        | "pg_wal_replay_resume"
        | "pg_import_system_collations"
        | "pg_log_standby_snapshot"
        | "gin_clean_pending_list"
        | "pg_restore_relation_stats"
        | "pg_restore_attribute_stats"
        | "pg_clear_relation_stats"
        | "pg_clear_attribute_stats"
        | "pg_prewarm"
        | "pg_truncate_visibility_map" => Known::Maintenance,
        _ => return known_by_prefix(function),
    };
    Some(known)
}

/// Families of functions that share the beginning of their name.
fn known_by_prefix(function: &str) -> Option<Known> {
    const FAMILIES: &[(&str, Known)] = &[
        ("dblink", Known::Dblink),
        ("pg_ls_", Known::ServerFile),
        ("pg_file_", Known::ServerFile),
        ("pg_advisory_", Known::AdvisoryLock),
        ("pg_try_advisory_", Known::AdvisoryLock),
        ("pg_stat_reset", Known::Maintenance),
        ("brin_summarize_", Known::Maintenance),
        ("brin_desummarize_", Known::Maintenance),
        ("binary_upgrade_", Known::Maintenance),
        ("pg_create_logical_", Known::Replication),
        ("pg_create_physical_", Known::Replication),
        ("pg_copy_logical_", Known::Replication),
        ("pg_copy_physical_", Known::Replication),
        ("pg_drop_replication_", Known::Replication),
        ("pg_logical_", Known::Replication),
        ("pg_replication_", Known::Replication),
        ("pg_sync_replication_", Known::Replication),
    ];
    FAMILIES
        .iter()
        .find(|(prefix, _)| function.starts_with(prefix))
        .map(|(_, known)| *known)
}
