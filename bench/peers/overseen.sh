# What the targets "querycop-written" and "querycop-synced" share: a policy of 50 rules and an audit log.
# 47 of the rules are about other tables, roles and functions, as in a house with many; what pgbench
# does is covered by the last three.

overseen_environment() {
    policy=$PWD/policy.yaml
    {
        printf 'version: 1\nmode: enforce\ndefault: deny\nsearch_path: public\nrules:\n'
        number=1
        while [ "$number" -le 47 ]; do
            case $((number % 4)) in
            0) printf "  - name: deny-%s\n    deny: { actions: [read], tables: ['secret_%s.*'] }\n" "$number" "$number" ;;
            1) printf "  - name: allow-%s\n    allow: { actions: [read, insert, update], tables: ['app_%s.*'] }\n" "$number" "$number" ;;
            2) printf "  - name: deny-%s\n    deny: { functions: ['admin_%s.*'] }\n" "$number" "$number" ;;
            3) printf "  - name: limit-%s\n    limit: { tables: ['big_%s.*'] }\n    to: { rows: 1000 }\n" "$number" "$number" ;;
            esac
            number=$((number + 1))
        done
        printf "  - name: reads\n    allow: { actions: [read, insert, update, delete], tables: ['public.*', catalog] }\n"
        printf "  - name: functions\n    allow: { actions: [call], functions: [builtin] }\n"
        printf "  - name: session\n    allow: { actions: [session, transaction] }\n"
    } >"$policy"
    export GATEKEEPER_POLICY_FILE="$policy"
    export GATEKEEPER_AUDIT_DIR="$PWD/audit"
}

# overseen DURABILITY WORD: what such a target's script does.
overseen() {
    case $2 in
    version) "${0%/*}/querycop.sh" version | sed "s/\$/ with policy and audit ($1)/" ;;
    tls) ;;
    run)
        overseen_environment
        export GATEKEEPER_AUDIT_DURABILITY="$1"
        BENCH_KEEP=1 exec "${0%/*}/querycop.sh" run
        ;;
    esac
}
