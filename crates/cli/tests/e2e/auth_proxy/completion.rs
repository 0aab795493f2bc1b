//! Completion in real shells.

use std::ffi::OsString;
use std::process::{Command, Stdio};

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

/// Whether a shell is there; where the project is tested it has to be.
#[expect(clippy::print_stdout, reason = "a skip is to be seen, with its reason")]
fn has(shell: &str) -> bool {
    let asked = Command::new(shell)
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    let is_there = asked.is_ok();
    assert!(
        is_there || std::env::var_os("CI").is_none(),
        "{shell} is missing: scripts/bootstrap test installs it"
    );
    if !is_there {
        println!("skipped: there is no {shell}");
    }
    is_there
}

/// A proxy with a file and a directory whose names begin alike, and a PATH to find it by.
fn findable() -> (Side, OsString) {
    let side = Side::new(Who::Ours, Ports::choose());
    std::fs::write(side.path().join("config.toml"), "").expect("the directory is writable");
    std::fs::create_dir(side.path().join("confdir")).expect("the directory is writable");
    side.program();
    let mut path = side.path().as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    (side, path)
}

#[test]
fn fish_completes_commands_flags_and_files() {
    if !has("fish") {
        return;
    }
    let (side, path) = findable();
    let script = r#"
        cd $argv[1]
        alloydb-auth-proxy completion fish | source
        complete --do-complete "alloydb-auth-proxy $argv[2]""#;
    let offered = |line: &str| {
        let output = Program::new("fish")
            .arguments(["--no-config", "--command", script])
            .argument(side.path())
            .argument(line)
            .environment("PATH", &path)
            .environment("HOME", side.path())
            .run();
        output.expect_success().to_owned()
    };
    for (line, expected) in [
        ("wa", "wait\tWait until a proxy is ready"),
        (
            "--max-s",
            "--max-sigterm-delay\tHow long open connections may take to end once the proxy closes",
        ),
        ("wait --max", "--max\tHow long to wait at most"),
        ("completion z", "zsh\tPrint the completion script for zsh"),
        ("--config-file conf", "confdir/\nconfig.toml"),
        ("--config-file=confi", "--config-file=config.toml"),
        ("--unix-socket conf", "confdir/"),
        ("--unix-socket=conf", "--unix-socket=confdir/"),
        ("--port ", ""),
        ("--psc wa", "wait\tWait until a proxy is ready"),
    ] {
        assert_eq!(offered(line), expected, "{line}");
    }
}

/// An interactive zsh, with the script where zsh looks for such; what it shows after a line and a
/// tab, up to what is expected of it.
const ZSH: &str = r#"
    zmodload zsh/zpty
    zpty shell zsh -f -i
    zpty -w shell "PS1='>' LISTMAX=1000; cd ${(q)1}; alloydb-auth-proxy completion zsh >_alloydb-auth-proxy"
    zpty -w shell 'fpath=($PWD $fpath); autoload -U compinit; compinit -u -D; print is-$((40 + 2))'
    zpty -r shell seen '*is-42*'
    zpty -w -n shell "alloydb-auth-proxy $2"$'\t'
    zpty -r shell seen "*${(b)3}*"
    print -r -- "$seen"
    zpty -d shell"#;

#[test]
fn zsh_completes_commands_flags_and_files() {
    if !has("zsh") {
        return;
    }
    let (side, path) = findable();
    for (line, expected, beside) in [
        ("wa", "alloydb-auth-proxy wait", ""),
        (
            "--http-",
            "Port of the HTTP server for health and metrics",
            "--http-address",
        ),
        (
            "completion ",
            "Print the completion script for zsh",
            "powershell",
        ),
        ("--config-file conf", "config.toml", "confdir/"),
        ("--config-file=confi", "--config-file=config.toml", ""),
        ("--unix-socket=con", "--unix-socket=confdir", ""),
        ("--unix-socket con", "--unix-socket confdir", ""),
    ] {
        // It hangs if what is expected never comes.
        let shown = Program::new("zsh")
            .arguments(["-f", "-c", ZSH, "zsh"])
            .argument(side.path())
            .arguments([line, expected])
            .environment("PATH", &path)
            .environment("HOME", side.path())
            .environment("TERM", "dumb")
            .run();
        let shown = shown.expect_success();
        assert!(shown.contains(beside), "{line}: {shown}");
    }
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
