//! `repo-pool-recovery`(7): what can go wrong, and how it is put right.

use clap::ValueEnum;
use clap_mangen::roff::{Roff, bold, roman};

use super::{head, page, section, see_also};
use crate::cli::{FindingKind, PROGRAM};

/// What the page is called, with its section.
pub const NAME: (&str, &str) = ("repo-pool-recovery", "7");

/// A paragraph, or what to type.
enum Part {
    Text(&'static str),
    Type(&'static str),
}

use Part::{Text, Type};

const BEFORE: &[(&str, &[Part])] = &[
    (
        "DESCRIPTION",
        &[
            Text(
                "Every command writes down what it is about to do to a slot before it does it, and \
                 holds a kernel lock while it works. If it is killed, or the machine goes down, the \
                 next command that meets the slot completes what was begun or undoes it. So nothing \
                 has to be done after a crash; recover does it for everything at once and also finds \
                 what no command happens to meet.",
            ),
            Type("repo-pool recover --dry-run"),
            Text(
                "says what it would do, and ends with 1 if there is something. Without --dry-run it is \
                 done. A second run finds nothing. status --check ends with 1 as long as anything needs \
                 a person.",
            ),
        ],
    ),
    (
        "WORK THAT WAS NOT PUSHED",
        &[
            Text(
                "Before a slot is cleaned, rebuilt or removed, commits that no remote branch holds and \
                 changes that no commit holds are saved in the pool's repository.",
            ),
            Type(
                "repo-pool rescue list\nrepo-pool rescue show ID\nrepo-pool rescue restore ID --branch NAME",
            ),
            Text(
                "find them and bring them back. What cannot be saved is not cleaned either: the command \
                 ends with 5 and names the paths. Files that git ignores are not saved.",
            ),
        ],
    ),
    (
        "A SLOT IS OUT OF USE",
        &[
            Text(
                "A slot in state error is handed out to nobody; status SLOT says why. Once the reason is \
                 gone,",
            ),
            Type("repo-pool recover POOL/slotN"),
            Text(
                "looks at it and brings it back if it verifies. With --force it is rebuilt from the \
                 repository, the work in it saved as far as it can be read. remove-slot --force takes it \
                 away for good.",
            ),
        ],
    ),
    (
        "A SLOT IS HELD BY NOBODY",
        &[
            Text(
                "The slot of an owner process that ended, or whose lease ran out, is taken back by the \
                 next allocate or by recover, its work saved, unless a process is inside. One that was \
                 allocated without owner process and lease is only reported, after stale_after.",
            ),
            Type("repo-pool release POOL/slotN\nrepo-pool recover --release-stale"),
            Text(
                "give it back: one slot, or all that were held for too long. release --force gets past an \
                 owner that is alive or can't be seen, release --kill ends the processes inside.",
            ),
        ],
    ),
    (
        "THE REPOSITORY IS DAMAGED",
        &[
            Text(
                "If objects are missing or unreadable, recover says so and changes nothing, since saving \
                 work may need them.",
            ),
            Type("repo-pool recover POOL --force"),
            Text(
                "makes the repository anew from the remote, keeping what can still be read: branches, \
                 saved work, the work in slots.",
            ),
        ],
    ),
    (
        "THE STATE OF A POOL IS LOST",
        &[Text(
            "If pool.json can't be read, it is set aside and made anew from what lies in the pool's \
             directory: idle slots that verify are available, all others are in state error until \
             recover POOL/slotN --force has saved their work. Without it no command touches the pool. A \
             pool.json of a newer version is read and never written.",
        )],
    ),
    (
        "THE DISK IS FULL",
        &[Text(
            "Nothing is lost: a command that can't write fails, and what it began is completed or undone \
             by a later one. What slots leave behind waits in the pools' trash directories for deletion, \
             up to trash_limit each; recover deletes it at once. status --disk says what takes how much.",
        )],
    ),
];

/// The page.
pub fn render() -> Vec<u8> {
    let mut roff = Roff::default();
    for (title, parts) in BEFORE {
        section(&mut roff, title);
        for (index, part) in parts.iter().enumerate() {
            match part {
                Text(text) => {
                    if index > 0 {
                        roff.control("PP", []);
                    }
                    roff.text([roman(*text)]);
                }
                Type(lines) => {
                    roff.control("PP", []);
                    roff.control("RS", []);
                    roff.control("nf", []);
                    roff.text([bold(*lines)]);
                    roff.control("fi", []);
                    roff.control("RE", []);
                }
            }
        }
    }
    findings(&mut roff);
    let related = ["", "-recover", "-rescue", "-release", "-status", "-log"];
    see_also(
        &mut roff,
        &related.map(|verb| (format!("{PROGRAM}{verb}"), "1")),
    );
    page(&[
        head(
            NAME,
            "what can go wrong with slots, and how it is put right",
        ),
        roff.render(),
    ])
}

/// What `recover` can find, as its option `--only` names it.
fn findings(roff: &mut Roff) {
    section(roff, "FINDINGS");
    roff.text([roman("What recover finds, by the names that --only takes:")]);
    for kind in FindingKind::value_variants() {
        let value = kind.to_possible_value();
        let help = value.as_ref().and_then(|value| value.get_help());
        roff.control("TP", []);
        roff.text([bold(kind.as_str())]);
        roff.text([roman(help.map(ToString::to_string).unwrap_or_default())]);
    }
}
