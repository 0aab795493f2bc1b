//! What `--help` prints, made from the table of flags.

use std::fmt::Write;

use crate::flags::Command;
use crate::flags::table::{Flag, Origin, Scope};

/// Where a line of a flag's description ends.
const COLUMNS: usize = 110;

const ABOUT_ROOT: &str = "\
The proxy opens a local port, or a Unix socket, for each AlloyDB instance, and carries whatever connects there
to the instance: over TLS with a certificate that it fetches and renews, authorized by IAM. Clients need neither
certificates nor the instance's address, and no port of the instance is open to anyone else.

It is a drop-in for Google's AlloyDB Auth Proxy: same flags, environment, ports, sockets and endpoints.

Instances
  projects/PROJECT/locations/REGION/clusters/CLUSTER/instances/INSTANCE
  or a DNS name whose TXT record holds that, such as db.example.com; the proxy follows it when it changes.
  The first gets port 5432, the next 5433, and so on. Settings of one instance follow behind it:

    PROGRAM 'projects/p/locations/r/clusters/c/instances/i?address=0.0.0.0&port=6000&auto-iam-authn=true'

  A flag marked (*) can be set that way. There is also unix-socket-path, the exact place of a Unix socket.

Where flags come from
  The command line; else the environment, where --max-connections is ALLOYDB_PROXY_MAX_CONNECTIONS and instances
  are ALLOYDB_PROXY_INSTANCE_URI, ALLOYDB_PROXY_INSTANCE_URI_1 and so on; else the file of --config-file, where
  it is max-connections and instances are instance-uri, instance-uri-1 and so on; else the default.

Credentials
  Application Default Credentials, or one of --credentials-file, --json-credentials, --token, --gcloud-auth.

Static connection info
  --static-connection-info takes everything that the AlloyDB API would say from a JSON object: publicKey and
  privateKey (PEM), and under each instance's URI ipAddress, publicIpAddress, pscInstanceConfig.pscDnsName,
  pemCertificateChain (a list, the client's first) and caCert.

Exit status
  0    ended by /quitquitquit, or by SIGTERM with --exit-zero-sigterm
  1    wrong settings, a listener that can't be opened, or connections cut off at --max-sigterm-delay
  130, 143  ended by SIGINT, SIGTERM
";

const ABOUT_WAIT: &str = "\
Asks the proxy's HTTP server for /startup every second until it says 200, and ends then with status 0. When the
time of --max is over it ends with status 1. The proxy must have been started with --health-check.

Environment and configuration file aren't read: give --http-address and --http-port again if the proxy has them.
";

const ABOUT_SHUTDOWN: &str = "\
Asks the proxy's admin server for /quitquitquit. It ends when the proxy has accepted that, not when it is gone.
The proxy must have been started with --quitquitquit.

Environment and configuration file aren't read: give --admin-port again if the proxy has it.
";

const ABOUT_COMPLETION: &str = "\
Each script makes one shell complete commands and flags of the program. How to load it is told by
PROGRAM completion SHELL --help.
";

const ABOUT_BASH: &str = "\
For this session:   source <(PROGRAM completion bash)
For all sessions:   PROGRAM completion bash > ~/.local/share/bash-completion/completions/alloydb-auth-proxy
";

const ABOUT_FISH: &str = "\
For this session:   PROGRAM completion fish | source
For all sessions:   PROGRAM completion fish > ~/.config/fish/completions/alloydb-auth-proxy.fish
";

const ABOUT_DOCTOR: &str = "\
Credentials, certificate and addresses, connection with TLS and metadata exchange, login, query: each
step is taken as the proxy takes it, and what fails is told with its cause and a cure. No listener is
opened. Give the flags and instances that the proxy has; the role's password is taken from PGPASSWORD.

  PROGRAM doctor projects/p/locations/r/clusters/c/instances/i
  PROGRAM doctor --auto-iam-authn --user app@p.iam INSTANCE
";

const ABOUT_POWERSHELL: &str = "\
For this session:   PROGRAM completion powershell | Out-String | Invoke-Expression
For all sessions:   add that line to your profile
";

const ABOUT_ZSH: &str = "\
For this session:   source <(PROGRAM completion zsh)
For all sessions:   PROGRAM completion zsh > \"${fpath[1]}/_alloydb-auth-proxy\"
";

/// Everything about a command.
pub(crate) fn long(program: &str, command: Command) -> String {
    let about = match command {
        Command::Root => ABOUT_ROOT,
        Command::Completion => ABOUT_COMPLETION,
        Command::Script(shell) => script_about(shell),
        Command::Doctor => ABOUT_DOCTOR,
        Command::Help => "",
        Command::Shutdown => ABOUT_SHUTDOWN,
        Command::Wait => ABOUT_WAIT,
    };
    let about = about.replace("PROGRAM", program);
    let summary = command.summary();
    let separator = if about.is_empty() { "" } else { "\n" };
    format!("{summary}\n\n{about}{separator}{}", usage(program, command))
}

fn script_about(shell: crate::flags::Shell) -> &'static str {
    use crate::flags::Shell;
    match shell {
        Shell::Bash => ABOUT_BASH,
        Shell::Fish => ABOUT_FISH,
        Shell::Powershell => ABOUT_POWERSHELL,
        Shell::Zsh => ABOUT_ZSH,
    }
}

/// The forms and flags of a command.
pub(crate) fn usage(program: &str, command: Command) -> String {
    let name = command.name();
    let mut text = "Usage:\n".to_owned();
    let mut line = |form: String| {
        // A string takes everything.
        let _ = writeln!(text, "  {program}{form}");
    };
    match command {
        Command::Root => {
            line(" instance_uri... [flags]".to_owned());
            line(" [command]".to_owned());
        }
        Command::Completion => line(format!(" {name} [command]")),
        Command::Script(_) => line(format!(" completion {name} [flags]")),
        Command::Doctor => line(format!(" {name} instance_uri... [flags]")),
        Command::Help => line(format!(" {name} [command] [flags]")),
        Command::Shutdown | Command::Wait => line(format!(" {name} [flags]")),
    }
    if !command.children().is_empty() {
        text.push_str("\nCommands:\n");
        for child in command.children() {
            let _ = writeln!(text, "  {:<12}{}", child.name(), child.summary());
        }
    }
    let (everywhere, own): (Vec<_>, Vec<_>) = command
        .flags()
        .into_iter()
        .partition(|flag| command != Command::Root && flag.scope == Scope::Everywhere);
    let (original, ours): (Vec<_>, Vec<_>) = own
        .into_iter()
        .partition(|flag| flag.origin == Origin::Original);
    for (title, flags) in [
        ("Flags", original),
        ("Flags that the original has not", ours),
        ("Flags of all commands", everywhere),
    ] {
        if !flags.is_empty() {
            let _ = write!(text, "\n{title}:\n{}", table(&flags));
        }
    }
    text
}

fn table(flags: &[Flag]) -> String {
    let rows: Vec<_> = flags
        .iter()
        .map(|flag| (head(flag), description(flag)))
        .collect();
    let width = rows
        .iter()
        .map(|(head, _)| head.len())
        .max()
        .unwrap_or_default()
        + 3;
    let lines = rows.into_iter().map(|(head, description)| {
        let indent = format!("\n{:width$}", "");
        let text = wrap(&description, COLUMNS - width).join(&indent);
        format!("{head:<width$}{text}\n")
    });
    lines.collect()
}

fn head(flag: &Flag) -> String {
    let short = match flag.short {
        Some(short) => format!("-{short}, "),
        None => "    ".to_owned(),
    };
    let space = if flag.is_switch() { "" } else { " " };
    format!("  {short}--{}{space}{}", flag.name, flag.value)
}

fn description(flag: &Flag) -> String {
    let star = if flag.per_instance { "(*) " } else { "" };
    let default = flag.shown_default();
    let default = match default.as_str() {
        "" => String::new(),
        text => format!(" (default {text})"),
    };
    format!("{star}{}{default}", flag.help)
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
