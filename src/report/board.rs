//! Lines below all that is said on stderr's terminal, drawn over again and again.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The lines. They disappear when it is dropped.
#[derive(Debug)]
pub(super) struct Board {
    lines: ProgressBar,
}

impl Board {
    /// No lines yet, below these bars.
    pub(super) fn below(bars: &MultiProgress) -> Self {
        let lines = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            lines.set_style(style);
        }
        Self {
            lines: bars.add(lines),
        }
    }

    /// Shows these lines in the place of those that are there.
    pub(super) fn show(&self, text: String) {
        self.lines.set_message(text);
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.lines.finish_and_clear();
    }
}
