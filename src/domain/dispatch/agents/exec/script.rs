//! The script that an engine runs for an attempt.
//!
//! It is for `sh` alone, since it may run where this program is not. It begins once, whatever the
//! engine does with it and whoever has submitted it: who makes the file `begun` first has the right to,
//! and a driver that makes it takes it away for good. What it writes down is there whole or not at all.

/// Where everything is.
#[derive(Debug)]
pub struct Script<'a> {
    /// What it is for, in a line.
    pub title: &'a str,
    /// The file that only one can make.
    pub begun: &'a str,
    /// The file for the exit code.
    pub exit: &'a str,
    /// The file with the variables, for `sh`.
    pub env: &'a str,
    /// Where the command's output goes; none: where the engine has it.
    pub log: Option<&'a str>,
    /// Where the command runs.
    pub workdir: &'a str,
    /// The command.
    pub command: &'a [String],
}

impl Script<'_> {
    /// Its text.
    pub fn text(&self) -> String {
        let title: String = self.title.chars().filter(|c| !c.is_control()).collect();
        let words: Vec<String> = self.command.iter().map(|word| quoted(word)).collect();
        let output = self.log.map(|log| format!(" >>{} 2>&1", quoted(log)));
        format!(
            "#!/bin/sh\n\
             # {title}\n\
             # Made by repo-pool, to be run once by the engine.\n\
             exit_file={exit}\n\
             # Only one can begin, and none once that was called off.\n\
             if ! (set -C; echo \"$(uname -n) $$\" >{begun}) 2>/dev/null; then\n\
             \x20 echo 'repo-pool: this attempt has begun before, or was called off' >&2\n\
             \x20 exit 75\n\
             fi\n\
             child= stopped=\n\
             stop() {{\n\
             \x20 stopped=1\n\
             \x20 [ -z \"$child\" ] || kill -TERM \"$child\" 2>/dev/null\n\
             }}\n\
             trap stop HUP INT TERM\n\
             (\n\
             \x20 [ -r {env} ] && cd {workdir} || exit 74\n\
             \x20 . {env}\n\
             \x20 exec {command}\n\
             ) </dev/null{output} &\n\
             child=$!\n\
             [ -z \"$stopped\" ] || stop\n\
             # A signal ends the wait, not the command.\n\
             while wait \"$child\"; code=$?; kill -0 \"$child\" 2>/dev/null; do :; done\n\
             if echo \"$code\" >\"$exit_file.new\"; then mv -f \"$exit_file.new\" \"$exit_file\"; fi\n\
             exit \"$code\"\n",
            exit = quoted(self.exit),
            begun = quoted(self.begun),
            workdir = quoted(self.workdir),
            env = quoted(self.env),
            command = words.join(" "),
            output = output.unwrap_or_default(),
        )
    }
}

/// The variables, as `sh` reads them.
pub fn exports<'a>(env: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let named = env.filter(|(name, _)| is_name(name));
    named
        .map(|(name, value)| format!("export {name}={}\n", quoted(value)))
        .collect()
}

/// The same as `NAME=value` lines, but for what no line can hold.
pub fn lines<'a>(env: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let fits = |(name, value): &(&str, &str)| is_name(name) && !value.contains(['\n', '\r']);
    env.filter(fits)
        .map(|(name, value)| format!("{name}={value}\n"))
        .collect()
}

/// Whether `sh` can have a variable of that name.
fn is_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// As one word for `sh`.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
