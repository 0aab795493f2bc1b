//! Completion: scripts for shells, and the hidden commands that they ask.

use std::fmt::Write as _;
use std::io::Write;

use crate::flags::table::Flag;
use crate::flags::values::Values;
use crate::flags::{Command, FAILURE, SUCCESS, Shell, complain};

const BASH: &str = include_str!("completion/bash");
const FISH: &str = include_str!("completion/fish");
const POWERSHELL: &str = include_str!("completion/powershell");
const ZSH: &str = include_str!("completion/zsh");

/// What scripts ask for the words, with descriptions.
const COMPLETE: &str = "__complete";
/// The same without descriptions.
const COMPLETE_BARE: &str = "__completeNoDesc";

/// The script of a shell.
pub(crate) fn script(shell: Shell, values: &Values) -> String {
    let script = match shell {
        Shell::Bash => BASH,
        Shell::Fish => FISH,
        Shell::Powershell => POWERSHELL,
        Shell::Zsh => ZSH,
    };
    if values.switch("no-descriptions") {
        script.replace(COMPLETE, COMPLETE_BARE)
    } else {
        script.to_owned()
    }
}

/// What a shell may do beside offering the words, in the numbers that scripts of the original know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Directive {
    /// Offer files.
    Files = 0,
    /// Offer nothing else.
    NothingElse = 4,
    /// Offer directories.
    Directories = 16,
}

/// The answer to a script.
pub(crate) struct Answer {
    words: Vec<(String, String)>,
    directive: Directive,
    described: bool,
}

/// Answers a script. `None` if the words don't come from one.
pub(crate) fn answer(words: &[String]) -> Option<Result<Answer, NoWord>> {
    let described = match words.first()?.as_str() {
        COMPLETE => true,
        COMPLETE_BARE => false,
        _ => return None,
    };
    let Some((last, before)) = words[1..].split_last() else {
        return Some(Err(NoWord));
    };
    let (words, directive) = complete(before, last);
    Some(Ok(Answer {
        words,
        directive,
        described,
    }))
}

/// A script gave no word to complete.
pub(crate) struct NoWord;

/// Prints an answer; gives back the exit status.
pub(crate) fn print(
    answer: Result<Answer, NoWord>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let Ok(answer) = answer else {
        complain(
            err,
            "completion scripts give at least the word that is to be completed",
        );
        return FAILURE;
    };
    let mut text = String::new();
    for (word, description) in answer.words {
        text.push_str(&word);
        if answer.described {
            text.push('\t');
            text.push_str(&description);
        }
        text.push('\n');
    }
    let _ = writeln!(text, ":{}", answer.directive as u8);
    // Nobody reading any more is no fault of ours.
    let _ = out.write_all(text.as_bytes());
    SUCCESS
}

fn complete(before: &[String], last: &str) -> (Vec<(String, String)>, Directive) {
    let (command, rest) = Command::find(before.to_vec());
    let flags = command.flags();
    if !last.starts_with('-')
        && let Some(flag) = rest.last().and_then(|word| awaiting_value(&flags, word))
    {
        return (Vec::new(), values_of(flag));
    }
    if let Some((name, _)) = last
        .strip_prefix("--")
        .and_then(|text| text.split_once('='))
    {
        let flag = flags.iter().find(|flag| flag.name == name);
        return (Vec::new(), flag.map_or(Directive::NothingElse, values_of));
    }
    if last.starts_with('-') {
        return (flag_words(&flags, last), Directive::NothingElse);
    }
    let above = match command {
        Command::Help => Command::topic(&rest),
        other => other,
    };
    let is_first = rest.iter().all(|word| word.starts_with('-')) || command == Command::Help;
    let children = above.children().iter().filter(|_| is_first);
    let words: Vec<_> = children
        .map(|child| (child.name(), child.summary()))
        .filter(|(name, _)| name.starts_with(last))
        .collect();
    (words, Directive::NothingElse)
}

fn flag_words(flags: &[Flag], start: &str) -> Vec<(String, String)> {
    let mut words = Vec::new();
    for flag in flags {
        let short = flag.short.map(|letter| format!("-{letter}"));
        let long = Some(format!("--{}", flag.name));
        for word in [long, short].into_iter().flatten() {
            if word.starts_with(start) {
                words.push((word, flag.help.to_owned()));
            }
        }
    }
    words
}

/// The flag that a word is, if its value comes next.
fn awaiting_value<'a>(flags: &'a [Flag], word: &str) -> Option<&'a Flag> {
    let flag = if let Some(name) = word.strip_prefix("--") {
        flags.iter().find(|flag| flag.name == name)
    } else {
        let letter = word.strip_prefix('-')?.chars().last()?;
        flags.iter().find(|flag| flag.short == Some(letter))
    };
    flag.filter(|flag| !flag.is_switch())
}

fn values_of(flag: &Flag) -> Directive {
    match flag.value {
        "file" => Directive::Files,
        "directory" => Directive::Directories,
        _ => Directive::NothingElse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(line: &str) -> String {
        let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let status = print(
            answer(&words).expect("it is a script's question"),
            &mut out,
            &mut err,
        );
        assert_eq!(status, SUCCESS);
        String::from_utf8(out)
            .expect("it is a text")
            .replace('\n', " ")
    }

    #[test]
    fn commands_flags_and_files_are_offered() {
        for (line, words) in [
            (
                "__completeNoDesc ",
                "completion doctor help shutdown wait :4 ",
            ),
            ("__completeNoDesc w", "wait :4 "),
            ("__completeNoDesc x ", ":4 "),
            (
                "__completeNoDesc completion ",
                "bash fish powershell zsh :4 ",
            ),
            (
                "__completeNoDesc help ",
                "completion doctor help shutdown wait :4 ",
            ),
            ("__completeNoDesc help completion z", "zsh :4 "),
            ("__completeNoDesc --http-p", "--http-port :4 "),
            ("__completeNoDesc wait --m", "--max :4 "),
            ("__completeNoDesc --config-file ", ":0 "),
            ("__completeNoDesc --config-file=", ":0 "),
            ("__completeNoDesc -c ", ":0 "),
            ("__completeNoDesc -u ", ":16 "),
            ("__completeNoDesc --port ", ":4 "),
            ("__completeNoDesc --psc w", "wait :4 "),
            ("__complete wai", "wait\tWait until a proxy is ready :4 "),
        ] {
            assert_eq!(ask(line), words, "{line}");
        }
        assert!(ask("__completeNoDesc -").contains("--address -a --admin-address"));
    }

    #[test]
    fn a_script_without_a_word_is_told_so() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let question = answer(&[COMPLETE.to_owned()]).expect("it is a script's question");
        assert_eq!(print(question, &mut out, &mut err), FAILURE);
        assert!(out.is_empty() && err.starts_with(b"Error: "));
        assert!(answer(&["wait".to_owned()]).is_none());
        assert!(answer(&[]).is_none());
    }
}
