#!/usr/bin/env bash
# Writes harmless.txt, other.txt and relations.txt from the catalog of a running PostgreSQL, which
# psql finds through PGHOST and PGUSER. What newer versions have is added by name.
#
# Harmless is a function that changes nothing, reads neither files nor tables that a text names, runs
# no text as SQL, and waits for nothing. A name is harmless if all functions of that name are.
set -euo pipefail
cd "$(dirname "$0")"

# Stable or immutable by their declaration, but they read tables that their arguments name, run text
# as SQL, load libraries, or show what other sessions do.
not_harmless='cursor_to_xml cursor_to_xmlschema database_to_xml database_to_xml_and_xmlschema
database_to_xmlschema fmgr_c_validator fmgr_internal_validator fmgr_sql_validator
pg_extension_update_paths pg_get_replication_slots pg_mcv_list_items query_to_xml
query_to_xml_and_xmlschema query_to_xmlschema schema_to_xml schema_to_xml_and_xmlschema
schema_to_xmlschema table_to_xml table_to_xml_and_xmlschema table_to_xmlschema
pg_event_trigger_ddl_commands pg_event_trigger_dropped_objects plpgsql_validator
pg_stat_get_activity pg_stat_get_backend_activity pg_stat_get_backend_activity_start
pg_stat_get_backend_client_addr pg_stat_get_backend_client_port pg_stat_get_backend_dbid
pg_stat_get_backend_idset pg_stat_get_backend_pid pg_stat_get_backend_start
pg_stat_get_backend_userid pg_stat_get_backend_wait_event pg_stat_get_backend_wait_event_type
pg_stat_get_backend_xact_start pg_stat_get_wal_receiver pg_stat_get_wal_senders'

# Volatile by their declaration, because they look at the clock, at sizes, or at what others do.
harmless_though_volatile='bernoulli clock_timestamp current_query currval gen_random_uuid lastval
pg_blocking_pids pg_collation_actual_version pg_control_checkpoint pg_control_init
pg_control_recovery pg_control_system pg_current_wal_flush_lsn pg_current_wal_insert_lsn
pg_current_wal_lsn pg_database_collation_actual_version pg_database_size pg_export_snapshot
pg_get_wal_replay_pause_state pg_get_wal_resource_managers pg_indexes_size pg_is_in_recovery
pg_is_wal_replay_paused pg_isolation_test_session_is_blocked pg_jit_available
pg_last_committed_xact pg_last_wal_receive_lsn pg_last_wal_replay_lsn
pg_last_xact_replay_timestamp pg_lock_status pg_notification_queue_usage pg_partition_ancestors
pg_partition_tree pg_relation_size pg_safe_snapshot_blocking_pids
pg_stat_clear_snapshot pg_stat_get_recovery_prefetch
pg_stat_get_xact_blocks_fetched pg_stat_get_xact_blocks_hit pg_stat_get_xact_function_calls
pg_stat_get_xact_function_self_time pg_stat_get_xact_function_total_time
pg_stat_get_xact_numscans pg_stat_get_xact_tuples_deleted pg_stat_get_xact_tuples_fetched
pg_stat_get_xact_tuples_hot_updated pg_stat_get_xact_tuples_inserted
pg_stat_get_xact_tuples_returned pg_stat_get_xact_tuples_updated pg_stat_have_stats
pg_table_size pg_tablespace_size pg_total_relation_size pg_xact_commit_timestamp
pg_xact_commit_timestamp_origin pg_xact_status random setseed system timeofday txid_status'

# Harmless ones of PostgreSQL 16, 17 and 18.
newer='bytea bytea_larger bytea_smaller hashbool hashboolextended hashbytea hashbyteaextended
hashcid hashcidextended hashdate hashdateextended hashxid hashxid8 hashxid8extended
hashxidextended interval_sum jsonb_populate_record_valid pg_get_aios
pg_get_shmem_allocations_numa pg_get_wal_summarizer_state
pg_stat_get_checkpointer_num_performed pg_stat_get_checkpointer_restartpoints_performed
pg_stat_get_checkpointer_restartpoints_requested pg_stat_get_checkpointer_restartpoints_timed
pg_stat_get_checkpointer_slru_written pg_stat_get_checkpointer_stat_reset_time
pg_stat_get_checkpointer_sync_time pg_stat_get_checkpointer_write_time
pg_stat_get_db_conflict_logicalslot pg_stat_get_xact_tuples_newpage_updated
pg_timezone_abbrevs_abbrevs pg_timezone_abbrevs_zone record_larger record_smaller
timestamptz_hash timestamptz_hash_extended any_value array_reverse array_sample array_shuffle array_sort bit_xor casefold crc32 crc32c
date_add date_subtract erf erfc gamma has_largeobject_privilege icu_unicode_version
json_agg_strict json_array_agg json_object_agg_strict json_object_agg_unique
json_object_agg_unique_strict jsonb_agg_strict jsonb_object_agg_strict jsonb_object_agg_unique
jsonb_object_agg_unique_strict lgamma pg_available_wal_summaries pg_basetype
pg_column_toast_chunk_id pg_get_acl pg_get_wait_events pg_numa_available pg_split_walfile_name
pg_stat_get_checkpointer_buffers_written
pg_stat_get_checkpointer_num_requested pg_stat_get_checkpointer_num_timed
pg_stat_get_db_parallel_workers_launched pg_stat_get_db_parallel_workers_to_launch
pg_stat_get_io pg_stat_get_lastscan pg_stat_get_total_analyze_time
pg_stat_get_total_autoanalyze_time pg_stat_get_total_autovacuum_time
pg_stat_get_total_vacuum_time pg_stat_get_tuples_newpage_updated random_normal system_user
to_bin to_oct to_regtypemod unicode_assigned unicode_version uuid_extract_timestamp
uuid_extract_version uuidv4 uuidv7 xmltext'

# What isn't harmless: of newer versions, and of the modules that PostgreSQL brings along.
# pg_input_is_valid and its like run the input function and the checks of a type that a text names.
other_elsewhere='pg_input_error_info pg_input_is_valid connectby crosstab crosstab2 crosstab3 crosstab4 dblink dblink_build_sql_delete
dblink_build_sql_insert dblink_build_sql_update dblink_cancel_query dblink_close dblink_connect
dblink_connect_u dblink_disconnect dblink_exec dblink_fetch dblink_get_result dblink_open
dblink_send_query get_raw_page heap_page_items lo_manage lo_oid pg_background_launch
pg_clear_attribute_stats pg_clear_relation_stats pg_file_read pg_file_rename pg_file_sync
pg_file_unlink pg_file_write pg_get_loaded_modules pg_get_sequence_data pg_get_wal_record_info
pg_log_standby_snapshot pg_logdir_ls pg_ls_summariesdir pg_prewarm pg_read_file_old
pg_restore_attribute_stats pg_restore_relation_stats pg_stat_get_backend_io
pg_stat_get_backend_subxact pg_stat_get_backend_wal pg_stat_reset_backend_stats
pg_stat_statements_reset pg_start_backup pg_stop_backup pg_sync_replication_slots
pg_truncate_visibility_map pgstattuple postgres_fdw_disconnect postgres_fdw_disconnect_all
xpath_table pg_wal_summary_contents'

newer_relations='pg_aios pg_shmem_allocations_numa pg_stat_checkpointer pg_stat_io pg_stat_progress_create_index
pg_wait_events'

query() { psql --no-psqlrc --tuples-only --no-align --set=ON_ERROR_STOP=1 --command="$1"; }
words() { tr -s ' \n' '\n\n' <<<"$1" | sed '/^$/d'; }
list() { words "$1" | sed "s/.*/'&'/" | paste -sd,; }

{
    query "SELECT proname FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
        GROUP BY proname
        HAVING (bool_and(provolatile IN ('i', 's')) OR proname IN ($(list "$harmless_though_volatile")))
            AND proname NOT IN ($(list "$not_harmless"))"
    words "$newer"
} | LC_ALL=C sort -u >harmless.txt
{
    query "SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace"
    words "$other_elsewhere"
} | LC_ALL=C sort -u | LC_ALL=C comm -23 - harmless.txt >other.txt
{
    query "SELECT relname FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace
        AND relkind IN ('r', 'v')"
    words "$newer_relations"
} | LC_ALL=C sort -u >relations.txt
wc -l harmless.txt other.txt relations.txt
