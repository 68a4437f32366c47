//! The injected output handle: the only place that writes to stdout and stderr, and the only one that knows whether they
//! are terminals. Data goes to stdout; everything said about the data goes to stderr.
//!
//! Writing never fails for the caller. When the reader of a stream is gone (`kubectl rollback history … | head -1`) the
//! rest of what is written to that stream is dropped: a verb that changes something finishes its work, one that only
//! shows (`status`, `-w`) asks [`Ui::stdout_is_closed`] and ends well. Any other failure, a full disk say, is kept, and
//! [`Ui::finish`] reports it, so that no cut output passes for a whole one.

use std::io::{self, BufRead, IsTerminal, Write};

use anstream::AutoStream;
use clap::ColorChoice;
use indicatif::MultiProgress;

use crate::captured::Captured;
use crate::signals;
use crate::style::{ColorEnv, Style, use_color};

/// Where a `Ui` writes and reads, and what it takes them for.
pub struct Streams {
    /// Receives data.
    pub stdout: Box<dyn Write + Send>,
    /// Receives messages.
    pub stderr: Box<dyn Write + Send>,
    /// Gives answers and `-f -`.
    pub stdin: Box<dyn BufRead + Send>,
    /// Whether stdout is a terminal.
    pub stdout_is_terminal: bool,
    /// Whether stderr is a terminal.
    pub stderr_is_terminal: bool,
    /// Whether stdin is a terminal.
    pub stdin_is_terminal: bool,
    /// The columns of what stands in a terminal's place; a terminal itself is asked each time, as it may be resized.
    pub width: Option<usize>,
}

struct Sink {
    writer: Box<dyn Write + Send>,
    is_terminal: bool,
    color: bool,
    closed: bool,
    failure: Option<io::Error>,
}

impl Sink {
    fn write(&mut self, text: &str) {
        if self.closed {
            return;
        }
        if let Err(error) = self.writer.write_all(text.as_bytes()).and_then(|()| self.writer.flush()) {
            self.closed = true;
            if error.kind() != io::ErrorKind::BrokenPipe {
                self.failure = Some(error);
            }
        }
    }

    fn paint(&self, style: Style, text: &str) -> String {
        if self.color { style.wrap(text) } else { text.to_string() }
    }
}

/// The terminal, or whatever stands in its place, as every part of a plugin sees it.
pub struct Ui {
    out: Sink,
    err: Sink,
    stdin: Box<dyn BufRead + Send>,
    stdin_is_terminal: bool,
    width: Option<usize>,
    dumb_terminal: bool,
    bars: Option<MultiProgress>,
    seat: Seat,
}

/// Where a person can be asked.
enum Seat {
    /// On stdin and stderr, which are terminals.
    Streams,
    /// At the terminal itself, as ssh and git do: some of the streams lead elsewhere.
    Terminal(Terminal),
    /// Somebody sits at a terminal that cannot be opened.
    OutOfReach,
    /// Nowhere: no stream is a terminal.
    Nowhere,
}

/// The terminal of this process, whatever its streams are.
struct Terminal {
    reader: Box<dyn BufRead + Send>,
    sink: Sink,
}

impl Terminal {
    /// Opens it, unless this process is in its background, where reading would stop it.
    fn open(color: bool) -> Option<Terminal> {
        #[cfg(windows)]
        let (reads, writes) = ("CONIN$", "CONOUT$");
        #[cfg(not(windows))]
        let (reads, writes) = ("/dev/tty", "/dev/tty");
        let reader = std::fs::OpenOptions::new().read(true).write(true).open(reads).ok()?;
        let writer = std::fs::OpenOptions::new().read(true).write(true).open(writes).ok()?;
        #[cfg(unix)]
        if rustix::termios::tcgetpgrp(&reader).ok()? != rustix::process::getpgrp() {
            return None;
        }
        let writer: Box<dyn Write + Send> = Box::new(AutoStream::new(writer, passing(color)));
        let sink = Sink { writer, is_terminal: true, color, closed: false, failure: None };
        Some(Terminal { reader: Box::new(io::BufReader::new(reader)), sink })
    }
}

impl Ui {
    /// Opens the process's own streams.
    pub fn from_process(choice: ColorChoice) -> Ui {
        let (stdout, stderr, stdin) = (io::stdout(), io::stderr(), io::stdin());
        let (out_tty, err_tty, in_tty) = (stdout.is_terminal(), stderr.is_terminal(), stdin.is_terminal());
        let env = ColorEnv::from_process();
        let streams = Streams {
            stdout: Box::new(AutoStream::new(stdout, passing(use_color(choice, env, out_tty)))),
            stderr: Box::new(AutoStream::new(stderr, passing(use_color(choice, env, err_tty)))),
            stdin: Box::new(io::BufReader::new(stdin)),
            stdout_is_terminal: out_tty,
            stderr_is_terminal: err_tty,
            stdin_is_terminal: in_tty,
            width: None,
        };
        let seat = match (in_tty && err_tty, in_tty || err_tty || out_tty) {
            (true, _) => Seat::Streams,
            (false, true) => {
                Terminal::open(use_color(choice, env, true)).map_or(Seat::OutOfReach, Seat::Terminal)
            }
            // A script's call, with nobody to see a question: `nohup`, or a pipeline.
            (false, false) => Seat::Nowhere,
        };
        Ui { seat, ..Ui::new(streams, choice, env) }
    }

    /// Builds a handle over given streams.
    pub fn new(streams: Streams, choice: ColorChoice, env: ColorEnv) -> Ui {
        let sink = |writer, is_terminal| Sink {
            writer,
            is_terminal,
            color: use_color(choice, env, is_terminal),
            closed: false,
            failure: None,
        };
        Ui {
            out: sink(streams.stdout, streams.stdout_is_terminal),
            err: sink(streams.stderr, streams.stderr_is_terminal),
            stdin: streams.stdin,
            stdin_is_terminal: streams.stdin_is_terminal,
            width: streams.width,
            dumb_terminal: env.dumb_terminal,
            bars: None,
            seat: match streams.stdin_is_terminal && streams.stderr_is_terminal {
                true => Seat::Streams,
                false => Seat::Nowhere,
            },
        }
    }

    /// Builds a handle that captures both streams: no terminals, no colour, nothing on stdin.
    pub fn captured() -> (Ui, Captured) {
        Ui::captured_terminal("", false)
    }

    /// Builds a handle that captures both streams and reads `stdin`; with `terminal` all three pass for dumb terminals of
    /// 80 columns: questions are asked and tables fitted, but nothing is coloured or animated.
    pub fn captured_terminal(stdin: &str, terminal: bool) -> (Ui, Captured) {
        let captured = Captured::default();
        let streams = Streams {
            stdout: Box::new(captured.out.clone()),
            stderr: Box::new(captured.err.clone()),
            stdin: Box::new(io::Cursor::new(stdin.to_string())),
            stdout_is_terminal: terminal,
            stderr_is_terminal: terminal,
            stdin_is_terminal: terminal,
            width: terminal.then_some(80),
        };
        let env = ColorEnv { no_color: true, dumb_terminal: true };
        (Ui::new(streams, ColorChoice::Never, env), captured)
    }

    /// Returns whether stdout is a terminal.
    pub fn stdout_is_terminal(&self) -> bool {
        self.out.is_terminal
    }

    /// Returns whether stderr is a terminal.
    pub fn stderr_is_terminal(&self) -> bool {
        self.err.is_terminal
    }

    /// Returns whether stdin is a terminal.
    pub fn stdin_is_terminal(&self) -> bool {
        self.stdin_is_terminal
    }

    /// Returns whether somebody can be asked: on stdin and stderr, or at the terminal where some stream leads elsewhere.
    pub fn can_ask(&self) -> bool {
        matches!(self.seat, Seat::Streams | Seat::Terminal(_))
    }

    /// Returns whether somebody sits at a terminal and yet cannot be asked.
    pub fn is_out_of_reach(&self) -> bool {
        matches!(self.seat, Seat::OutOfReach)
    }

    /// Lets what is said be data: somebody asked for it, and it goes to stdout.
    pub fn as_data(&mut self, say: impl FnOnce(&mut Ui)) {
        std::mem::swap(&mut self.out, &mut self.err);
        say(self);
        std::mem::swap(&mut self.out, &mut self.err);
    }

    /// Says something to whoever is asked too, where what is said on stderr goes elsewhere.
    pub fn beside_the_question(&mut self, mut say: impl FnMut(&mut Ui)) {
        say(self);
        if let (Seat::Terminal(terminal), false) = (&mut self.seat, self.err.is_terminal) {
            std::mem::swap(&mut self.err, &mut terminal.sink);
            say(self);
            if let Seat::Terminal(terminal) = &mut self.seat {
                std::mem::swap(&mut self.err, &mut terminal.sink);
            }
        }
    }

    /// Returns whether something can move on stderr: it is a terminal, and not a dumb one.
    pub fn can_animate(&self) -> bool {
        self.err.is_terminal && !self.dumb_terminal
    }

    /// Returns whether what stands on stdout can be drawn over: it is a terminal, and not a dumb one.
    pub fn can_redraw(&self) -> bool {
        self.out.is_terminal && !self.dumb_terminal
    }

    /// Returns the lines of the terminal behind stdout.
    pub fn height(&self) -> Option<usize> {
        self.out.is_terminal.then(terminal_height).flatten()
    }

    /// Returns the columns that output may take now; none when stdout is not a terminal and nothing limits it.
    pub fn width(&self) -> Option<usize> {
        self.width.or_else(|| self.out.is_terminal.then(terminal_width).flatten())
    }

    /// Returns the columns that messages may take now.
    pub fn message_width(&self) -> Option<usize> {
        self.width.or_else(|| self.err.is_terminal.then(terminal_width).flatten())
    }

    /// Returns whether nobody reads stdout any more.
    pub fn stdout_is_closed(&self) -> bool {
        self.out.closed
    }

    /// Returns text painted for stdout.
    pub fn paint(&self, style: Style, text: &str) -> String {
        self.out.paint(style, text)
    }

    /// Returns text painted for stderr.
    pub fn paint_err(&self, style: Style, text: &str) -> String {
        self.err.paint(style, text)
    }

    /// Returns whether stdout is coloured.
    pub fn stdout_has_color(&self) -> bool {
        self.out.color
    }

    /// Returns whether stderr is coloured.
    pub fn stderr_has_color(&self) -> bool {
        self.err.color
    }

    /// Writes data to stdout as it is.
    pub fn out(&mut self, text: &str) {
        let Ui { out, bars, .. } = self;
        aside(bars.as_ref(), || out.write(text));
    }

    /// Writes a line of data to stdout.
    pub fn line(&mut self, text: &str) {
        self.out(&format!("{text}\n"));
    }

    /// Writes a message to stderr without a line end.
    pub fn err(&mut self, text: &str) {
        let Ui { err, bars, .. } = self;
        aside(bars.as_ref(), || err.write(text));
    }

    /// Says something on stderr.
    pub fn note(&mut self, text: &str) {
        self.err(&format!("{text}\n"));
    }

    /// Warns on stderr, in kubectl's form `Warning: …`.
    pub fn warn(&mut self, text: &str) {
        let label = self.paint_err(Style::Warn, "Warning:");
        self.note(&format!("{label} {text}"));
    }

    /// Reports an error on stderr as `error: …`.
    ///
    /// Sentences that kubectl writes without that word (`Error from server (NotFound): …`) go through [`Ui::note`].
    pub fn error(&mut self, text: &str) {
        let label = self.paint_err(Style::Bad, "error:");
        self.note(&format!("{label} {text}"));
    }

    /// Names a way on, on stderr, as `hint: …`.
    pub fn hint(&mut self, text: &str) {
        let label = self.paint_err(Style::Dim, "hint:");
        self.note(&format!("{label} {text}"));
    }

    /// Writes a question where somebody sits and reads a line there without its end; none at the end of input. A signal
    /// meanwhile ends the process.
    pub fn ask(&mut self, question: &str) -> io::Result<Option<String>> {
        let Ui { err, stdin, bars, seat, .. } = self;
        let (sink, reader) = match seat {
            Seat::Terminal(terminal) => (&mut terminal.sink, &mut terminal.reader),
            Seat::Streams | Seat::OutOfReach | Seat::Nowhere => (err, stdin),
        };
        let mut line = String::new();
        let mut read = Ok(0);
        aside(bars.as_ref(), || {
            sink.write(question);
            read = signals::at_once(|| reader.read_line(&mut line));
        });
        match read? {
            0 => Ok(None),
            _ => Ok(Some(line.trim_end_matches(['\n', '\r']).to_string())),
        }
    }

    /// Reads stdin to its end.
    pub fn read_stdin(&mut self) -> io::Result<String> {
        let mut text = String::new();
        self.stdin.read_to_string(&mut text)?;
        Ok(text)
    }

    /// Lets what is written from now on step around bars on the terminal.
    pub(crate) fn attach(&mut self, bars: Option<MultiProgress>) {
        self.bars = bars;
    }

    /// Lets what is written from now on stand where it is, whatever was drawn before.
    pub fn detach(&mut self) {
        self.attach(None);
    }

    /// Ends the output: reports what could not be written to stdout, and tells whether everything was.
    pub fn finish(&mut self) -> bool {
        let Some(failure) = self.out.failure.take() else { return true };
        self.error(&format!("cannot write to stdout: {failure}"));
        false
    }
}

fn aside(bars: Option<&MultiProgress>, write: impl FnOnce()) {
    match bars {
        Some(bars) => bars.suspend(write),
        None => write(),
    }
}

/// Colour is decided here, so the stream only has to pass codes on, or translate them where a console needs that.
fn passing(color: bool) -> anstream::ColorChoice {
    if color { anstream::ColorChoice::Always } else { anstream::ColorChoice::AlwaysAnsi }
}

fn terminal_width() -> Option<usize> {
    terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))
}

fn terminal_height() -> Option<usize> {
    terminal_size::terminal_size().map(|(_, height)| usize::from(height.0))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn each_stream_is_painted_for_itself() {
        let streams = Streams {
            stdout: Box::new(io::sink()),
            stderr: Box::new(io::sink()),
            stdin: Box::new(io::empty()),
            stdout_is_terminal: false,
            stderr_is_terminal: true,
            stdin_is_terminal: false,
            width: None,
        };
        let ui = Ui::new(streams, ColorChoice::Auto, ColorEnv::default());
        assert_eq!(ui.paint(Style::Good, "ok"), "ok");
        assert_eq!(ui.paint_err(Style::Good, "ok"), "\u{1b}[32mok\u{1b}[0m");
    }

    #[test]
    fn data_and_messages_go_to_their_streams() {
        let (mut ui, captured) = Ui::captured();
        ui.line("data");
        ui.out("more");
        ui.note("note");
        ui.warn("careful");
        ui.error("broken");
        ui.hint("try this");
        assert_eq!(captured.stdout(), "data\nmore");
        assert_eq!(captured.stderr(), "note\nWarning: careful\nerror: broken\nhint: try this\n");
    }

    struct Failing(io::ErrorKind, Arc<Mutex<usize>>);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            *self.1.lock().unwrap() += 1;
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn failing(kind: io::ErrorKind) -> (Ui, Captured, Arc<Mutex<usize>>) {
        let (mut ui, captured) = Ui::captured();
        let writes = Arc::new(Mutex::new(0));
        ui.out.writer = Box::new(Failing(kind, writes.clone()));
        (ui, captured, writes)
    }

    #[test]
    fn a_closed_pipe_is_no_error_and_is_written_to_once() {
        let (mut ui, captured, writes) = failing(io::ErrorKind::BrokenPipe);
        assert!(!ui.stdout_is_closed());
        ui.line("one");
        ui.line("two");
        ui.note("still heard");
        assert!(ui.stdout_is_closed());
        assert_eq!(*writes.lock().unwrap(), 1);
        assert!(ui.finish());
        assert_eq!(captured.stderr(), "still heard\n");
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let (mut ui, captured, _) = failing(io::ErrorKind::StorageFull);
        ui.line("one");
        assert!(!ui.finish());
        assert!(captured.stderr().starts_with("error: cannot write to stdout: "), "{}", captured.stderr());
    }

    #[test]
    fn answers_are_read_without_their_ends() {
        let (mut ui, _) = Ui::captured_terminal("yes\r\nno", true);
        assert_eq!(ui.ask("").unwrap().as_deref(), Some("yes"));
        assert_eq!(ui.ask("").unwrap().as_deref(), Some("no"));
        assert_eq!(ui.ask("").unwrap(), None);
    }
}
