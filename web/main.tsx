// The page of a run: reads the picture that stands in the page itself, and shows it.
import { render } from "preact";
import "uplot/dist/uPlot.min.css";
import type { Picture } from "../src/report/picture.ts";
import { Page } from "./page.tsx";
import "./style.css";

const data = document.getElementById("picture")?.textContent ?? "";
const root = document.getElementById("page");
if (root) render(<Page picture={JSON.parse(data) as Picture} />, root);
