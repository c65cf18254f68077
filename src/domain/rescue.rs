//! Saved work: what is recorded with it, when it may go, and what users call it by.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Error, Result};

/// How the line of a rescue's commit message begins that holds its record.
const RECORD: &str = "Repo-Pool-Rescue: ";

/// What made saving necessary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The slot was given back.
    Release,
    /// The slot was taken back from a holder that is gone.
    Reclaim,
    /// The slot was removed or made anew.
    Removal,
    /// The slot was repaired.
    Repair,
    /// The work lay in a slot that nobody held.
    Found,
}

/// The index of saved work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedIndex {
    /// Its entries without conflicts, as a tree.
    pub tree: String,
    /// The index file itself (a blob), where a tree can't say what stood in it: conflicts, files
    /// that were only announced (`add -N`), files left out of the checkout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// The commit that keeps it; absent where the tree is that of HEAD or of the files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// How much of what there was to save.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Amounts {
    /// Commits of HEAD that no remote branch held.
    pub commits: u64,
    /// Paths that differed between HEAD and the index.
    pub staged: u64,
    /// Paths that differed between the index and the files.
    pub unstaged: u64,
    /// Untracked files.
    pub untracked: u64,
    /// Paths with conflicts.
    pub conflicts: u64,
}

/// What is recorded in a rescue's commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The format's number.
    pub schema: u32,
    /// The slot it comes from.
    pub slot_id: String,
    /// When it was saved.
    pub created_at: Timestamp,
    /// Until when it is kept at least; absent for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Why it was saved; absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Who held the slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The allocation it was made in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocation_id: Option<String>,
    /// The branch that the slot was on; absent when HEAD was detached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// HEAD's commit; absent on a branch without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// HEAD's subject, or what was changed.
    pub subject: String,
    /// How much there was of what.
    #[serde(flatten)]
    pub amounts: Amounts,
    /// Commits that were made in the slot and that HEAD no longer reached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_behind: Vec<String>,
    /// The index, where changes were saved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<SavedIndex>,
}

impl Amounts {
    /// Whether anything was saved that no commit held.
    pub fn has_changes(&self) -> bool {
        self.staged + self.unstaged + self.untracked + self.conflicts > 0
    }
}

impl Record {
    /// The message of the rescue's commit: something to read, and the record.
    pub fn message(&self) -> Result<String> {
        let json = serde_json::to_string(self)
            .map_err(|e| Error::failed(format!("cannot record saved work: {e}")))?;
        let subject = self.subject.lines().next().unwrap_or_default();
        Ok(format!(
            "Work saved from {}: {subject}\n\n{RECORD}{json}\n",
            self.slot_id
        ))
    }

    /// Reads it from a commit's message; `None` if that is no rescue's.
    pub fn from_message(message: &str) -> Option<Self> {
        let line = message
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix(RECORD))?;
        serde_json::from_str(line).ok()
    }

    /// Until when the work is kept: as long as was promised when it was saved, longer if the settings
    /// say so by now (`now_kept`), and for ever if either says that.
    pub fn kept_until(&self, now_kept: Option<Duration>) -> Option<Timestamp> {
        let promised = self.expires_at?;
        Some(promised.max(after(self.created_at, now_kept?)))
    }
}

/// The moment so long after another.
pub fn after(start: Timestamp, time: Duration) -> Timestamp {
    SignedDuration::try_from(time)
        .ok()
        .and_then(|time| start.checked_add(time).ok())
        .unwrap_or(Timestamp::MAX)
}

/// What a rescue is called by: its id, alone or after its pool's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The pool that has it.
    pub pool: String,
    /// Its id, `<slot>-<random>`.
    pub id: String,
}

impl Name {
    /// The id with its pool, which means one rescue only.
    pub fn full(&self) -> String {
        format!("{}/{}", self.pool, self.id)
    }

    fn is(&self, text: &str) -> bool {
        self.id == text || self.full() == text
    }

    fn begins_with(&self, text: &str) -> bool {
        let random = self.id.rsplit(['-', '/']).next().unwrap_or_default();
        self.id.starts_with(text) || self.full().starts_with(text) || random.starts_with(text)
    }
}

/// The place of the one that `text` means among `names`: an id, `POOL/ID`, the beginning of either,
/// or of the id's random part.
pub fn resolve(text: &str, names: &[Name]) -> Result<usize> {
    let exact: Vec<usize> = (0..names.len()).filter(|at| names[*at].is(text)).collect();
    let found = match exact.as_slice() {
        [] => (0..names.len())
            .filter(|at| !text.is_empty() && names[*at].begins_with(text))
            .collect(),
        _ => exact,
    };
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(
            Error::usage(format!("there is no saved work {}", text.escape_debug()))
                .with_hint("`repo-pool rescue list` shows what there is"),
        ),
        several => {
            let list: Vec<String> = several.iter().map(|at| names[*at].full()).collect();
            Err(Error::usage(format!(
                "{} can mean {}",
                text.escape_debug(),
                list.join(", ")
            ))
            .with_hint("give more of the id"))
        }
    }
}

/// What `restore` does to the HEAD of the slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeadMove {
    /// It is where the work was done.
    Stay,
    /// It goes to the saved commit.
    Move,
    /// It can't go there without leaving commits behind; the text names the reason.
    Refuse(String),
}

/// What is known of the slot that work is to be brought back into.
#[derive(Debug, Clone, Default)]
pub struct Place<'a> {
    /// HEAD's commit.
    pub head: Option<&'a str>,
    /// The branch, where it is not the slot's own.
    pub named_branch: Option<&'a str>,
    /// Whether the saved commit follows the slot's.
    pub follows: bool,
    /// How many commits of HEAD nothing else holds.
    pub own_commits: u64,
}

/// Decides whether the slot's HEAD can be moved to the commit that the work was done on.
pub fn head_move(saved: Option<&str>, place: &Place<'_>) -> HeadMove {
    let Some(saved) = saved else {
        return HeadMove::Stay;
    };
    if place.head == Some(saved) {
        return HeadMove::Stay;
    }
    if place.follows {
        return HeadMove::Move;
    }
    match place.named_branch {
        Some(branch) => HeadMove::Refuse(format!(
            "it is on branch {branch}, which does not lead to the commit that the work was done on"
        )),
        None if place.own_commits > 0 => {
            HeadMove::Refuse("it has commits of its own, which moving it would leave behind".into())
        }
        None => HeadMove::Move,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record() -> Record {
        Record {
            schema: 1,
            slot_id: "workspace-p-slot1".into(),
            created_at: Timestamp::from_second(1_000).unwrap(),
            expires_at: Some(Timestamp::from_second(1_100).unwrap()),
            reason: Some(Reason::Release),
            owner: Some("agent\n7".into()),
            allocation_id: None,
            branch: None,
            head: Some("1".repeat(40)),
            subject: "Fix \"it\"\nRepo-Pool-Rescue: {}".into(),
            amounts: Amounts {
                commits: 2,
                ..Amounts::default()
            },
            left_behind: vec!["2".repeat(40)],
            index: None,
        }
    }

    #[test]
    fn a_record_survives_its_message_whatever_is_in_it() {
        let message = record().message().unwrap();
        assert_eq!(Record::from_message(&message), Some(record()));
        assert!(message.starts_with("Work saved from workspace-p-slot1: Fix \"it\"\n\n"));
        assert_eq!(Record::from_message("Fix it\n"), None);
    }

    #[test]
    fn nothing_goes_earlier_than_was_promised_or_is_configured() {
        let at = |second| Some(Timestamp::from_second(second).unwrap());
        let secs = Duration::from_secs;
        assert_eq!(record().kept_until(Some(secs(1))), at(1_100));
        assert_eq!(record().kept_until(Some(secs(500))), at(1_500));
        assert_eq!(record().kept_until(None), None);
        let for_ever = Record {
            expires_at: None,
            ..record()
        };
        assert_eq!(for_ever.kept_until(Some(secs(1))), None);
        assert_eq!(
            record().kept_until(Some(Duration::MAX)),
            Some(Timestamp::MAX)
        );
    }

    #[test]
    fn ids_may_be_shortened_as_long_as_they_mean_one() {
        let name = |pool: &str, id: &str| Name {
            pool: pool.into(),
            id: id.into(),
        };
        let names = [
            name("p", "slot1-aa11"),
            name("p", "slot12-bb22"),
            name("q", "slot1-aa12"),
            name("q", "slot3/cc33"),
        ];
        for (text, at) in [
            ("slot1-aa11", 0),
            ("bb", 1),
            ("slot12", 1),
            ("q/slot1", 2),
            ("aa12", 2),
            ("slot3/cc33", 3),
            ("q/slot3/cc33", 3),
            ("cc", 3),
        ] {
            assert_eq!(resolve(text, &names).ok(), Some(at), "{text}");
        }
        for (text, part) in [("aa1", "q/slot1-aa12"), ("zz", "no saved work"), ("", "no")] {
            let said = resolve(text, &names).unwrap_err().to_string();
            assert!(said.contains(part), "{text}: {said}");
        }
    }

    #[test]
    fn a_head_moves_only_where_nothing_is_left_behind() {
        let place = Place {
            head: Some("a"),
            ..Place::default()
        };
        assert_eq!(head_move(None, &place), HeadMove::Stay);
        assert_eq!(head_move(Some("a"), &place), HeadMove::Stay);
        assert_eq!(head_move(Some("b"), &place), HeadMove::Move);
        let named = Place {
            named_branch: Some("x"),
            ..place.clone()
        };
        assert!(matches!(head_move(Some("b"), &named), HeadMove::Refuse(_)));
        let own = Place {
            own_commits: 1,
            ..place
        };
        assert!(matches!(head_move(Some("b"), &own), HeadMove::Refuse(_)));
        let follows = Place {
            follows: true,
            ..named
        };
        assert_eq!(head_move(Some("b"), &follows), HeadMove::Move);
    }

    proptest! {
        #[test]
        fn no_text_breaks_reading_or_resolving(text in ".{0,60}") {
            Record::from_message(&text);
            Record::from_message(&format!("{RECORD}{text}"));
            let _ = resolve(&text, &[Name { pool: text.clone(), id: "slot1-aa".into() }]);
        }
    }
}
