//! `cargo xtask docs pictures`: the pictures of the documents, made from the real thing.
//!
//! Scenes (`scenes.rs`) are played on a throwaway cluster, in a terminal that nobody sits at (`terminal.rs`); what is on
//! the screen then is drawn (`svg.rs`). With `--check` nothing is written: the text of each picture, read out of its
//! file, is held against what is on the screen now.

mod scenes;
mod svg;
mod terminal;

use std::fs;
use std::path::PathBuf;

use cluster::{Options, workspace};

use crate::Result;
use crate::demo::Playhouse;
use scenes::{Act, PICTURES, Picture};
use terminal::Terminal;

/// The namespace that is seen in the pictures.
const NAMESPACE: &str = "shop";
/// Enough of them that a picture of steps has something to show.
const NODES: usize = 8;

const AGAIN: &str = "cargo xtask docs pictures makes them anew; look at them before they are committed";

pub(crate) fn run(args: &[String]) -> Result {
    let check = match args {
        [] => false,
        [only] if only == "--check" => true,
        _ => return Err("unknown argument; there is --check".into()),
    };
    let playhouse = Playhouse::throwaway(NAMESPACE, &Options { nodes: NODES, ..Options::default() })?;
    if !playhouse.is_own() {
        println!("No picture is made: on a cluster of yours other things are to be seen.");
        return Ok(());
    }
    fs::write(playhouse.folder().join("shop.yaml"), include_str!("../../../docs/example.yaml"))?;
    let mut stale = Vec::new();
    for picture in PICTURES {
        let drawn =
            play(&playhouse, picture).map_err(|error| format!("picture {}: {error}", picture.name))?;
        let path = path(picture);
        if check {
            let kept = fs::read_to_string(&path).unwrap_or_default();
            let difference = shown::difference(&svg::text(&kept), &svg::text(&drawn), &[]);
            println!("{:<10} {}", picture.name, if difference.is_none() { "as it is" } else { "differs" });
            stale.extend(difference.map(|it| format!("{}:\n{it}", path.display())));
        } else {
            fs::write(&path, &drawn)?;
            println!("{:<10} {} bytes", picture.name, drawn.len());
        }
    }
    if stale.is_empty() { Ok(()) } else { Err(format!("{}\n{AGAIN}", stale.join("\n")).into()) }
}

fn path(picture: &Picture) -> PathBuf {
    workspace().join("docs/pictures").join(picture.name).with_extension("svg")
}

/// Plays what belongs to a picture, and draws the screen as it is then.
fn play(playhouse: &Playhouse, picture: &Picture) -> Result<String> {
    let mut terminal = Terminal::new();
    let mut drawn = None;
    for act in picture.acts {
        match act {
            Act::Before(line) => {
                Terminal::new().run(playhouse.shell(line), line, &[], 0, |_| {})?;
            }
            Act::Typed { line, answers, code } => {
                terminal.prompt(line);
                terminal.run(playhouse.shell(line), line, answers, *code, |_| {})?;
            }
            Act::Caught { line, answers, at } => {
                terminal.prompt(line);
                let end = [*answers, &[(*at, terminal::CTRL_C)]].concat();
                // What is on the screen before it is interrupted.
                terminal.run(playhouse.shell(line), line, &end, 130, |screen| {
                    drawn = Some(svg::drawn(screen, picture.title));
                })?;
            }
        }
    }
    Ok(drawn.unwrap_or_else(|| svg::drawn(terminal.screen(), picture.title)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use cluster::workspace;

    use super::{PICTURES, path};

    /// More than this is felt by who opens a page.
    const LIGHT: usize = 60_000;

    #[test]
    fn each_picture_is_there_and_light_and_shown_on_a_page() {
        let docs = workspace().join("docs");
        let pages = crate::docs::files(&docs).unwrap().into_iter();
        let pages = pages.filter(|path| path.extension().is_some_and(|it| it == "md"));
        let pages = pages.chain([workspace().join("README.md")]);
        let text: String = pages.map(|page| fs::read_to_string(page).unwrap()).collect();
        for picture in PICTURES {
            let svg = fs::read_to_string(path(picture)).unwrap();
            assert!(svg.len() < LIGHT, "{}: {}", picture.name, svg.len());
            assert_eq!(svg.matches("://").count(), 1, "{}: refers to more than its namespace", picture.name);
            assert!(
                text.contains(&format!("pictures/{}.svg)", picture.name)),
                "{}: on no page",
                picture.name
            );
        }
        let files = fs::read_dir(docs.join("pictures")).unwrap().count();
        assert_eq!(files, PICTURES.len(), "a picture that nobody makes");
    }
}
