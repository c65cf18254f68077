//! The directory of a slot and the files in it: what git does not see, or sees as something else than
//! it is.

use super::End::{Back, Refused};
use super::follow;
use crate::support::is_root;

/// 9.2: the slot's directory and its link.
#[test]
fn available_after_damage_to_the_directory() {
    follow(&[
        ("no link", "echo precious > new; rm .git", Back),
        (
            "a link to nowhere",
            "echo precious > new; echo gitdir: /nowhere > .git",
            Back,
        ),
        (
            "a link that is a symbolic link",
            "echo precious > new; mv .git ../git; ln -s ../git .git",
            Back,
        ),
        (
            "a repository for a link",
            "echo precious > new; rm .git; git init -q; git add new; git commit -qm mine",
            Back,
        ),
        (
            "a link that is a FIFO",
            "echo precious > new; rm .git; mkfifo .git",
            Back,
        ),
        ("no directory", "d=$PWD; cd ..; rm -r \"$d\"", Back),
        (
            "an empty directory",
            "d=$PWD; cd ..; rm -r \"$d\"; mkdir \"$d\"",
            Back,
        ),
        (
            "a directory that was moved away",
            "d=$PWD; cd ..; mv \"$d\" ../../moved",
            Back,
        ),
        (
            "a file for a directory",
            "d=$PWD; cd ..; rm -r \"$d\"; echo x > \"$d\"",
            Back,
        ),
        (
            "a link for a directory",
            "d=$PWD; cd ..; mv \"$d\" ../../moved; ln -s ../../moved \"$d\"",
            Back,
        ),
        (
            "another clone for a directory",
            "d=$PWD; u=$(git config remote.origin.url); cd ..; rm -r \"$d\"; git clone -q \"$u\" \"$d\"",
            Back,
        ),
        ("all files deleted", "rm -r *", Back),
        (
            "files and index deleted",
            "rm -r * $(git rev-parse --git-dir)/index",
            Back,
        ),
        ("a closed slot", "chmod 000 .", Back),
        (
            "a slot that can't be written",
            "echo precious > new; chmod 555 .",
            Back,
        ),
    ]);
}

/// 3.2: what git does not see, or sees as something else than it is.
#[test]
fn available_after_odd_files() {
    let unreadable = if is_root() { Back } else { Refused };
    follow(&[
        (
            "empty directories",
            "mkdir -p e/m/p/t/y docs/empty target/e; rm -r tools",
            Back,
        ),
        ("a FIFO", "mkfifo f docs/f", Back),
        (
            "a socket",
            "perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => \"s\", Listen => 1) or die'",
            Back,
        ),
        (
            "a FIFO for a tracked file",
            "rm README.md; mkfifo README.md",
            Refused,
        ),
        (
            "a directory for a tracked file",
            "rm README.md; mkdir README.md; echo precious > README.md/x",
            Back,
        ),
        (
            "a file for a tracked directory",
            "rm -r docs; echo precious > docs",
            Back,
        ),
        (
            "tracked directories that can't be written",
            "echo precious > docs/new; chmod 555 docs src",
            Back,
        ),
        (
            "tracked directories that can't be written, and no change",
            "chmod 555 docs src deep deep/one deep/one/two",
            Back,
        ),
        (
            "untracked directories that can't be written",
            "mkdir -p new/a/b; echo precious > new/a/b/c; chmod 555 new/a/b new/a new",
            Back,
        ),
        (
            "an untracked directory that can't be read",
            "mkdir new; echo precious > new/x; chmod 000 new",
            unreadable,
        ),
        (
            "a tracked directory that can't be read",
            "echo precious > docs/new; chmod 000 docs",
            unreadable,
        ),
        (
            "an untracked file that can't be read",
            "echo precious > new; chmod 000 new",
            unreadable,
        ),
        (
            "files of odd modes",
            "echo precious > new; chmod 4777 new; chmod 600 README.md; chmod 777 docs/guide.md; chmod 755 src/part1.rs; chmod 644 tools/run.sh",
            Back,
        ),
        (
            "hard links from outside",
            "ln README.md ../outside; ln docs/guide.md ../guide; echo precious >> new; echo x >> ../outside",
            Back,
        ),
        (
            "hard links from within",
            "ln README.md precious; ln docs/guide.md docs/two; echo precious > new",
            Back,
        ),
        (
            "symbolic links",
            "ln -s / root; ln -s nowhere dangling; ln -s . here; rm -r docs; ln -s /etc docs; echo precious > new",
            Back,
        ),
        (
            "a very long name",
            "n=$(printf 'n%.0s' $(seq 255)); echo precious > $n; mkdir -p target/$n",
            Back,
        ),
        (
            "names that are no text",
            "echo precious > \"$(printf 'a\\377b')\"; mkdir \"$(printf 'line\\nend')\"; echo x > \"$(printf 'line\\nend/c\\033[31m')\"; echo x > ./-rf; echo x > ' '; mkdir \"$(printf 'empty\\nline')\"",
            Back,
        ),
        (
            "a deep tree",
            "p=.; for i in $(seq 200); do p=$p/d$i; done; mkdir -p $p target/$p; echo precious > $p/x",
            Back,
        ),
        (
            "a thousand files",
            "mkdir many; for i in $(seq 1000); do echo $i > many/$i; done; echo precious > many/x",
            Back,
        ),
        (
            "same size, same second",
            "printf '# A project\\n\\nFor texts.\\n' > README.md; touch -d @1700000000 README.md",
            Back,
        ),
        (
            "a file that swapped its times",
            "touch -r README.md t; echo precious > README.md; touch -r t README.md; rm t",
            Back,
        ),
        (
            "attributes and ignores that are FIFOs",
            "mkfifo docs/.gitattributes docs/.gitignore; rm .gitignore; mkfifo .gitignore",
            Back,
        ),
        (
            "ignores that are directories",
            "mkdir docs/.gitignore docs/.gitattributes; echo precious > docs/.gitignore/x; touch docs/.gitattributes/y",
            Back,
        ),
        (
            "attributes that change contents",
            "echo '* text eol=crlf ident filter=x' > .gitattributes; printf '$Id$\\n' > id; echo precious > new",
            Back,
        ),
    ]);
}
