//! A first collection: `nigh serve --data /tmp/nigh`, then `cargo run -p nigh-client --example quickstart`.
//!
//! The server's address is 127.0.0.1:6334, or the first argument.

#![allow(clippy::print_stdout, reason = "an example that prints nothing shows nothing")]

use nigh_client::{Client, CollectionSpec, Filter, Metric, Point, Query, field};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:6334".to_owned());
    let client = Client::connect(address).await?;

    // One vector field of three numbers, and one text field over the payload path of its name.
    let spec = CollectionSpec::new().vector("colour", 3, Metric::Cosine).text("text", "english");
    client.drop_collection("quickstart").await?;
    client.create_collection("quickstart", spec).await?;

    let fruit = [
        ("A ripe tomato from the garden", [0.9, 0.1, 0.1], 3, "vegetable"),
        ("An apple a day", [0.8, 0.3, 0.1], 2, "fruit"),
        ("Limes for the garden party", [0.3, 0.9, 0.1], 1, "fruit"),
        ("Blueberries, frozen", [0.2, 0.2, 0.9], 5, "fruit"),
    ];
    let points = (1_u64..).zip(fruit).map(|(id, (text, colour, price, kind))| {
        Point::new(id).vector("colour", colour).payload(json!({"text": text, "price": price, "kind": kind}))
    });
    let written = client.upsert("quickstart", points).await?;
    println!("{} points are on disk", written.affected);

    // By meaning and by words, among the fruit that costs less than five.
    let query = Query::dense("colour", [0.9, 0.2, 0.1])
        .text("text", "garden")
        .filter(Filter::must([field("kind").eq("fruit"), field("price").below(5)]))
        .limit(3)
        .explain();
    let reply = client.query("quickstart", query).await?;
    for hit in &reply.hits {
        println!("{:>3}  {:.4}  {}", hit.id, hit.score, hit.payload["text"]);
    }
    for plan in &reply.plans {
        println!("{}: {} of {} matching", plan.retriever, plan.routes.join(", "), plan.matching);
    }

    client.delete("quickstart", Filter::must([field("kind").eq("vegetable")])).await?;
    println!("{} points are left", client.count("quickstart", None).await?);
    client.drop_collection("quickstart").await?;
    Ok(())
}
