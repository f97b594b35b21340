//! What the documents tell people to type works, and what is not tried here says why.

mod fence;
mod page;
mod printed;
mod reader;
mod world;

use anyhow::{Result, ensure};

use fence::Kind;
use page::Page;
use world::{Machine, World};

#[test]
fn each_fence_is_run_or_says_why_it_is_not() -> Result<()> {
    let (mut run, mut shown, mut illustrating, mut unmarked) = (0, 0, 0, Vec::new());
    for page in page::all()? {
        for fence in &page.fences {
            match &fence.kind {
                Kind::Commands | Kind::File(_) if page.world.is_none() => {
                    unmarked.push(format!("{}:{}: is to be run, and the page names no world", page.path, fence.line));
                }
                Kind::Commands => run += 1,
                Kind::File(_) | Kind::Printed => shown += 1,
                Kind::Illustrates => illustrating += 1,
                Kind::Diagram => {}
                Kind::Unmarked(info) => unmarked.push(format!("{}:{}: {info:?}", page.path, fence.line)),
            }
        }
    }
    ensure!(unmarked.is_empty(), "mark these as tests/documentation/fence.rs says:\n  {}", unmarked.join("\n  "));
    println!("fences: {run} run, {shown} files and outputs that go with them, {illustrating} illustrate");
    Ok(())
}

/// As somebody does who reads the book from its beginning, on one Lockstep.
#[tokio::test]
async fn the_commands_of_the_book_work_in_its_order_beside_the_demo() -> Result<()> {
    follow(World::Demo).await
}

#[tokio::test]
async fn the_commands_that_install_it_work_on_a_bare_vault_and_postgres() -> Result<()> {
    follow(World::Bare).await
}

async fn follow(world: World) -> Result<()> {
    let pages: Vec<Page> = page::in_order_of_the_book()?.into_iter().filter(|page| page.world == Some(world)).collect();
    ensure!(!pages.is_empty(), "no page is for this");
    let machine = Machine::start(world).await?;
    let mut run = 0;
    for page in &pages {
        run += reader::follow(page, &machine).await?;
    }
    println!("{world:?}: {run} fences of {} pages run", pages.len());
    Ok(())
}
