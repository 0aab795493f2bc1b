//! Completion in a real shell.

use querycop_testkit::command::Program;

use super::Who;
use super::side::{Ports, Side};

/// What bash would offer behind the program's name.
fn offered(side: &Side, line: &str, key: u32) -> Vec<String> {
    let script = r#"
        source <("$0" completion bash)
        COMP_LINE="$0 $1" COMP_POINT=$((${#0} + 1 + ${#1})) COMP_TYPE=$2
        _alloydb_auth_proxy
        printf '%s\n' "${COMPREPLY[@]}""#;
    let output = Program::new("bash")
        .arguments(["-c", script])
        .argument(side.program())
        .arguments([line, &key.to_string()])
        .run();
    output.expect_success().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_flags_and_files() {
    let side = Side::new(Who::Ours, Ports::choose());
    std::fs::write(side.path().join("config.toml"), "").expect("the directory is writable");
    let start = side.path().join("conf").display().to_string();
    let file = side.path().join("config.toml").display().to_string();
    // 9 is the tab key, 37 goes through the words one by one.
    assert_eq!(offered(&side, "wa", 9), ["wait"]);
    assert_eq!(offered(&side, "--max-s", 9), ["--max-sigterm-delay"]);
    assert_eq!(
        offered(&side, "--http-", 37),
        ["--http-address", "--http-port"]
    );
    assert_eq!(
        offered(&side, &format!("--config-file {start}"), 9),
        [file.as_str()]
    );
    assert_eq!(
        offered(&side, &format!("--config-file={start}"), 9),
        [file.as_str()]
    );
    let described = offered(&side, "completion ", 9);
    assert_eq!(
        described[0],
        "bash        (Print the completion script for bash)"
    );
    assert!(offered(&side, "--port ", 9).is_empty());
}

#[test]
fn every_name_of_the_program_is_the_proxy() {
    let side = Side::new(Who::Ours, Ports::choose());
    let version = "alloydb-auth-proxy version ";
    let linked = side.path().join("alloydb-auth-proxy-link");
    std::fs::create_dir(&linked).expect("the directory is writable");
    let hard = linked.join("alloydb-auth-proxy");
    // A hard link needs one file system; a copy has the name as well.
    std::fs::hard_link(crate::setup::querycop(), &hard)
        .or_else(|_| std::fs::copy(crate::setup::querycop(), &hard).map(drop))
        .expect("the directory is writable");
    for program in [side.program(), hard] {
        let said = Program::new(program).argument("--version").run();
        assert!(said.expect_success().starts_with(version), "{said}");
    }
    let words = ["auth-proxy", "--version"];
    let said = Program::new(crate::setup::querycop())
        .arguments(words)
        .run();
    assert!(said.expect_success().starts_with(version), "{said}");
    let said = Program::new(crate::setup::querycop())
        .argument("auth-proxy")
        .run();
    assert!(
        said.expect_failure()
            .contains("  querycop auth-proxy instance_uri..."),
        "{said}"
    );
}
