//! The commands, and which of them a command line means.

use std::fmt;

use super::table::{self, Flag, HELP_ALONE, ROOT, SCRIPT, SHUTDOWN, WAIT};

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// The proxy itself.
    Root,
    /// Print completion scripts.
    Completion,
    /// Print one.
    Script(Shell),
    /// Examine the way to instances.
    Doctor,
    /// Explain a command.
    Help,
    /// Tell a proxy to end.
    Shutdown,
    /// Wait for a proxy.
    Wait,
}

/// A shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shell {
    Bash,
    Fish,
    Powershell,
    Zsh,
}

impl fmt::Display for Shell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Bash => "bash",
            Self::Fish => "fish",
            Self::Powershell => "powershell",
            Self::Zsh => "zsh",
        })
    }
}

const SHELLS: [Command; 4] = [
    Command::Script(Shell::Bash),
    Command::Script(Shell::Fish),
    Command::Script(Shell::Powershell),
    Command::Script(Shell::Zsh),
];

impl Command {
    /// The commands below it, by name.
    pub(crate) fn children(self) -> &'static [Self] {
        match self {
            Self::Root => &[
                Self::Completion,
                Self::Doctor,
                Self::Help,
                Self::Shutdown,
                Self::Wait,
            ],
            Self::Completion => &SHELLS,
            Self::Script(_) | Self::Doctor | Self::Help | Self::Shutdown | Self::Wait => &[],
        }
    }

    /// Its word.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Completion => "completion".to_owned(),
            Self::Script(shell) => shell.to_string(),
            Self::Doctor => "doctor".to_owned(),
            Self::Help => "help".to_owned(),
            Self::Shutdown => "shutdown".to_owned(),
            Self::Wait => "wait".to_owned(),
        }
    }

    /// What it does, in a line.
    pub(crate) fn summary(self) -> String {
        match self {
            Self::Root => "Let clients connect to AlloyDB as if it were local".to_owned(),
            Self::Completion => {
                "Print a script that completes commands and flags in a shell".to_owned()
            }
            Self::Script(shell) => format!("Print the completion script for {shell}"),
            Self::Doctor => "Examine the way to instances, step by step".to_owned(),
            Self::Help => "Explain a command".to_owned(),
            Self::Shutdown => "Tell a running proxy to end".to_owned(),
            Self::Wait => "Wait until a proxy is ready".to_owned(),
        }
    }

    /// Its flags, by name: its own, and those that every command has.
    pub(crate) fn flags(self) -> Vec<Flag> {
        let own = match self {
            Self::Root => return ROOT.to_vec(),
            Self::Doctor => return table::doctor(),
            Self::Completion | Self::Help => HELP_ALONE,
            Self::Script(_) => SCRIPT,
            Self::Shutdown => SHUTDOWN,
            Self::Wait => WAIT,
        };
        let mut flags: Vec<_> = own.iter().chain(table::everywhere()).copied().collect();
        flags.sort_by_key(|flag| flag.name);
        flags
    }

    /// Finds the command that a command line means; its own words are taken out.
    pub(crate) fn find(mut words: Vec<String>) -> (Self, Vec<String>) {
        let mut command = Self::Root;
        while let Some(at) = first_word(&command.flags(), &words) {
            let Some(child) = command.child(&words[at]) else {
                break;
            };
            words.remove(at);
            command = child;
        }
        (command, words)
    }

    /// The command that is to be explained; the proxy itself if there is no such command.
    pub(crate) fn topic(words: &[String]) -> Self {
        let mut command = Self::Root;
        for word in words {
            match command.child(word) {
                Some(child) => command = child,
                None => break,
            }
        }
        command
    }

    fn child(self, word: &str) -> Option<Self> {
        let children = self.children().iter().copied();
        children.into_iter().find(|child| child.name() == word)
    }
}

/// The place of the first word that is neither a flag nor its value. A flag that isn't known counts
/// as one with a value, since the flags of the command that is looked for aren't known yet.
fn first_word(flags: &[Flag], words: &[String]) -> Option<usize> {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        if word == "--" {
            return None;
        }
        if !word.is_empty() && !word.starts_with('-') {
            return Some(at);
        }
        at += if takes_next_word(flags, word) { 2 } else { 1 };
    }
    None
}

fn takes_next_word(flags: &[Flag], word: &str) -> bool {
    if word.contains('=') {
        return false;
    }
    let flag = if let Some(name) = word.strip_prefix("--") {
        flags.iter().find(|flag| flag.name == name)
    } else {
        let letters = word.strip_prefix('-').unwrap_or_default();
        let mut letters = letters.chars();
        let (Some(letter), None) = (letters.next(), letters.next()) else {
            return false;
        };
        flags.iter().find(|flag| flag.short == Some(letter))
    };
    !flag.is_some_and(Flag::is_switch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(line: &str) -> (Command, String) {
        let (command, words) = Command::find(line.split(' ').map(str::to_owned).collect());
        (command, words.join(" "))
    }

    #[test]
    fn the_first_word_that_is_no_flag_names_the_command() {
        for (line, command, rest) in [
            ("wait", Command::Wait, ""),
            ("wait --max 1s", Command::Wait, "--max 1s"),
            ("--http-port 1 wait", Command::Wait, "--http-port 1"),
            ("--http-port=1 wait", Command::Wait, "--http-port=1"),
            ("--quiet shutdown x", Command::Shutdown, "--quiet x"),
            ("-p 1 wait", Command::Wait, "-p 1"),
            ("-il wait", Command::Wait, "-il"),
            ("-i wait", Command::Wait, "-i"),
            ("--port wait", Command::Root, "--port wait"),
            ("--bad wait", Command::Root, "--bad wait"),
            ("-- wait", Command::Root, "-- wait"),
            ("x wait", Command::Root, "x wait"),
            ("Wait", Command::Root, "Wait"),
            ("completion", Command::Completion, ""),
            ("completion zsh", Command::Script(Shell::Zsh), ""),
            (
                "completion --quiet fish x",
                Command::Script(Shell::Fish),
                "--quiet x",
            ),
            ("completion tcsh", Command::Completion, "tcsh"),
            ("-i doctor --user x y", Command::Doctor, "-i --user x y"),
            ("help wait", Command::Help, "wait"),
        ] {
            assert_eq!(find(line), (command, rest.to_owned()), "{line}");
        }
    }

    #[test]
    fn a_topic_is_found_as_far_as_it_is_known() {
        let topic = |line: &str| {
            let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
            Command::topic(&words)
        };
        assert_eq!(topic("completion bash"), Command::Script(Shell::Bash));
        assert_eq!(topic("completion tcsh"), Command::Completion);
        assert_eq!(topic("nothing"), Command::Root);
    }
}
