import { test } from "node:test";
import { assertNoLeaks, leakTitle } from "../support/network-leaks.js";

test(`bridge: ${leakTitle}`, (t) => assertNoLeaks(t, "bridge"));
