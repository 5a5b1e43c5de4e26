// The README's picture is what a run of the load balancer's example gives today; `PICTURES=write` draws it anew.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT, runExample } from "../tools/podwire.ts";
import { firstPacket } from "../tools/walk.ts";
import { walkPicture } from "./walk-picture.ts";

const PICTURE = join(ROOT, "docs/images/walk.svg");

test("the picture in the README is of a real packet", () => {
  const { capture } = runExample("walks/06-load-balancer");
  const { id } = firstPacket(capture, "internet/client/eth0", "tcp S$");
  const picture = walkPicture(capture, id ?? 0n, "A visitor's SYN to a load balancer, from the internet to the pod");
  if (process.env["PICTURES"] === "write") writeFileSync(PICTURE, picture);
  expect(picture).toBe(readFileSync(PICTURE, "utf8"));
});
