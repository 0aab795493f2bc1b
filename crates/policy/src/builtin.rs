//! What PostgreSQL brings along: functions, catalog relations, settings.
//!
//! `generate.sh` beside the lists makes them from a running server and says what counts as harmless.

use std::sync::LazyLock;

use hashbrown::HashSet;

static HARMLESS: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("builtin/harmless.txt").lines().collect());

static OTHER: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("builtin/other.txt").lines().collect());

static RELATIONS: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("builtin/relations.txt").lines().collect());

/// Whether a call of a function of this name in `pg_catalog` is harmless.
pub(crate) fn is_harmless_function(name: &str) -> bool {
    HARMLESS.contains(name)
}

/// Whether a function of `pg_catalog` says the same for every row if its arguments are the same.
pub fn is_steady_function(name: &str) -> bool {
    const VARYING: &[&str] = &[
        "array_sample",
        "array_shuffle",
        "clock_timestamp",
        "gen_random_uuid",
        "random",
        "random_normal",
        "setseed",
        "timeofday",
        "uuidv4",
        "uuidv7",
    ];
    HARMLESS.contains(name) && !VARYING.contains(&name)
}

/// Whether `t.f` can be a call of this function of a whole row of `t` that shows what is in it.
///
/// Those of PostgreSQL 14 to 18 that a server lets call so (`SELECT t.f FROM t`), without those that
/// say only how many rows there are or of what type; then those of common extensions.
pub(crate) fn shows_rows(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "any_out",
        "any_value",
        "anycompatible_out",
        "anycompatiblenonarray_out",
        "anyelement_out",
        "anynonarray_out",
        "array_agg",
        "concat",
        "hash_record",
        "json_agg",
        "json_agg_strict",
        "json_build_array",
        "json_build_object",
        "jsonb_agg",
        "jsonb_agg_strict",
        "jsonb_build_array",
        "jsonb_build_object",
        "max",
        "min",
        "num_nonnulls",
        "num_nulls",
        "pg_column_size",
        "quote_literal",
        "quote_nullable",
        "record_out",
        "record_send",
        "row_to_json",
        "to_json",
        "to_jsonb",
        // hstore and PostGIS
        "hstore",
        "st_asflatgeobuf",
        "st_asgeobuf",
        "st_asgeojson",
        "st_asmvt",
    ];
    NAMES.contains(&name)
}

/// Whether a function of this name is known not to be harmless: PostgreSQL's, or of its modules.
pub(crate) fn is_harmful_function(name: &str) -> bool {
    OTHER.contains(name)
}

/// Whether `pg_catalog` has a function of this name.
pub(crate) fn is_catalog_function(name: &str) -> bool {
    HARMLESS.contains(name) || (OTHER.contains(name) && !is_of_a_module(name))
}

/// Whether `pg_catalog` has a table or view of this name.
pub(crate) fn is_catalog_relation(name: &str) -> bool {
    name.starts_with("pg_") && RELATIONS.contains(name)
}

/// Functions that aren't harmless and are of an extension: they can be in any schema.
fn is_of_a_module(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "connectby",
        "lo_manage",
        "lo_oid",
        "xpath_table",
        "pg_prewarm",
    ];
    const FAMILIES: &[&str] = &[
        "crosstab",
        "dblink",
        "get_raw_page",
        "heap_page_items",
        "pg_background_",
        "pg_file_",
        "pg_logdir_",
        "pg_stat_statements_",
        "pg_truncate_visibility_",
        "pgstattuple",
        "postgres_fdw_",
    ];
    NAMES.contains(&name) || FAMILIES.iter().any(|family| name.starts_with(family))
}

/// Whether a call has an effect of its own beside it that says what it does.
///
/// The call needs no rule of its own then: `set_config` is a `session`, `nextval` an `update`.
pub(crate) fn has_effect_beside_it(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "nextval",
        "setval",
        "set_config",
        "pg_notify",
        "pg_cancel_backend",
        "pg_terminate_backend",
        "pg_reload_conf",
        "pg_rotate_logfile",
        "pg_switch_wal",
        "lo_get",
        "lo_open",
        "loread",
        "lo_lseek",
        "lo_lseek64",
        "lo_tell",
        "lo_tell64",
        "lo_creat",
        "lo_create",
        "lo_from_bytea",
        "lo_put",
        "lo_truncate",
        "lo_truncate64",
        "lo_unlink",
        "lowrite",
    ];
    const FAMILIES: &[&str] = &["pg_advisory_", "pg_try_advisory_", "pg_stat_reset"];
    NAMES.contains(&name) || FAMILIES.iter().any(|family| name.starts_with(family))
}

/// What the set `builtin` of functions has.
pub(crate) fn is_in_builtin_set(schema: &str, name: &str) -> bool {
    match schema {
        "pg_catalog" => is_harmless_function(name) || has_effect_beside_it(name),
        // What the views of the information schema and the drivers' metadata call.
        "information_schema" => name.starts_with("_pg_"),
        _ => false,
    }
}

/// How a construct of the grammar is called that only looks like the call of a function, and is one
/// to a server that doesn't have it yet: `json_value(…)`. PostgreSQL's own, and harmless.
pub(crate) const CONSTRUCT: &str = "construct";

/// What the set `catalog` of tables has: the catalogs, without those that hold secrets, rows of
/// tables (statistics of columns, large objects) or what other sessions do.
pub(crate) fn is_in_catalog_set(schema: &str, name: &str) -> bool {
    const LEFT_OUT: &[&str] = &[
        "pg_authid",
        "pg_file_settings",
        "pg_hba_file_rules",
        "pg_ident_file_mappings",
        "pg_largeobject",
        "pg_shadow",
        "pg_statistic",
        "pg_statistic_ext_data",
        "pg_stats",
        "pg_stats_ext",
        "pg_stats_ext_exprs",
    ];
    match schema {
        "pg_catalog" => !LEFT_OUT.contains(&name) && !is_in_activity_set(schema, name),
        "information_schema" => name != "user_mapping_options" && name != "_pg_user_mappings",
        _ => false,
    }
}

/// The column of a catalog that holds secrets, where it has others that many read.
pub(crate) fn secret_column(relation: &str) -> Option<&'static str> {
    match relation {
        "pg_subscription" => Some("subconninfo"),
        "pg_user_mapping" | "pg_user_mappings" => Some("umoptions"),
        _ => None,
    }
}

/// What the set `activity` of tables has: what other sessions do, with the text of their statements.
pub(crate) fn is_in_activity_set(schema: &str, name: &str) -> bool {
    const NAMES: &[&str] = &[
        "pg_stat_activity",
        "pg_stat_replication",
        "pg_stat_ssl",
        "pg_stat_gssapi",
        "pg_stat_wal_receiver",
        "pg_prepared_xacts",
    ];
    schema == "pg_catalog" && NAMES.contains(&name)
}

/// Settings that a session may change without reaching further than before.
pub(crate) const HARMLESS_SETTINGS: &[&str] = &[
    "application_name",
    "array_nulls",
    "backslash_quote",
    "bytea_output",
    "check_function_bodies",
    "client_encoding",
    "client_min_messages",
    "constraint_exclusion",
    "cpu_index_tuple_cost",
    "cpu_operator_cost",
    "cpu_tuple_cost",
    "cursor_tuple_fraction",
    "datestyle",
    "default_table_access_method",
    "default_tablespace",
    "default_text_search_config",
    "default_toast_compression",
    "default_transaction_deferrable",
    "default_transaction_isolation",
    "effective_cache_size",
    "enable_bitmapscan",
    "enable_hashagg",
    "enable_hashjoin",
    "enable_indexonlyscan",
    "enable_indexscan",
    "enable_material",
    "enable_memoize",
    "enable_mergejoin",
    "enable_nestloop",
    "enable_partitionwise_aggregate",
    "enable_partitionwise_join",
    "enable_seqscan",
    "enable_sort",
    "enable_tidscan",
    "escape_string_warning",
    "extra_float_digits",
    "from_collapse_limit",
    "geqo",
    "geqo_threshold",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "intervalstyle",
    "jit",
    "join_collapse_limit",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "lock_timeout",
    "names",
    "parallel_setup_cost",
    "parallel_tuple_cost",
    "plan_cache_mode",
    "quote_all_identifiers",
    "random_page_cost",
    "restrict_nonsystem_relation_kind",
    "row_security",
    "search_path",
    "seq_page_cost",
    "standard_conforming_strings",
    "statement_timeout",
    "synchronize_seqscans",
    "time zone",
    "timezone",
    "transaction_deferrable",
    "transaction_isolation",
    "transaction_timeout",
    "xmlbinary",
    "xmloption",
];

/// Whether a change of a setting is harmless.
pub(crate) fn is_harmless_setting(name: &str) -> bool {
    HARMLESS_SETTINGS.binary_search(&name).is_ok()
}

/// Settings that take something from the session when they are on.
pub(crate) fn is_restriction(name: &str) -> bool {
    matches!(
        name,
        "default_transaction_read_only" | "transaction_read_only"
    )
}

/// Languages whose code PostgreSQL keeps inside of its walls.
pub(crate) fn is_trusted_language(name: &str) -> bool {
    matches!(
        name.to_ascii_lowercase().as_str(),
        "sql" | "plpgsql" | "plperl" | "pltcl" | "plv8" | "plrust" | "pllua" | "pljs"
    )
}

/// Functions that read or write files of the server, whoever calls them.
pub(crate) fn is_file_function(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "lo_import",
        "lo_export",
        "pg_current_logfile",
        "pg_hba_file_rules",
        "pg_ident_file_mappings",
        "pg_show_all_file_settings",
        "pg_stat_file",
    ];
    const FAMILIES: &[&str] = &["pg_read_", "pg_ls_", "pg_file_", "pg_logdir_"];
    NAMES.contains(&name) || FAMILIES.iter().any(|family| name.starts_with(family))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_and_apart() {
        assert!(HARMLESS_SETTINGS.is_sorted());
        for name in OTHER.iter() {
            assert!(!HARMLESS.contains(name), "{name}");
        }
        for list in [
            include_str!("builtin/harmless.txt"),
            include_str!("builtin/other.txt"),
        ] {
            assert!(list.lines().is_sorted());
        }
    }

    #[test]
    fn what_reaches_further_is_not_harmless() {
        for name in [
            "pg_sleep",
            "pg_read_file",
            "lo_import",
            "query_to_xml",
            "table_to_xml",
            "ts_stat",
            "set_config",
            "nextval",
            "dblink",
            "pg_terminate_backend",
            "pg_advisory_lock",
            // The rows of a sequence that an argument names.
            "pg_sequence_last_value",
            "pg_get_sequence_data",
            // What other sessions do.
            "pg_prepared_xact",
            "pg_stat_get_backend_client_addr",
            "pg_stat_get_backend_pid",
            "pg_stat_get_backend_io",
        ] {
            assert!(!is_harmless_function(name), "{name}");
            assert!(is_harmful_function(name), "{name}");
        }
        for name in [
            "now",
            "random",
            "count",
            "gen_random_uuid",
            "uuidv7",
            "current_setting",
        ] {
            assert!(is_harmless_function(name), "{name}");
        }
    }

    #[test]
    fn catalogs_with_secrets_are_left_out() {
        assert!(is_in_catalog_set("pg_catalog", "pg_class"));
        assert!(is_in_catalog_set("information_schema", "columns"));
        for name in ["pg_authid", "pg_stats", "pg_shadow", "pg_stat_activity"] {
            assert!(!is_in_catalog_set("pg_catalog", name), "{name}");
        }
        assert!(!is_in_catalog_set("public", "pg_class"));
    }
}
