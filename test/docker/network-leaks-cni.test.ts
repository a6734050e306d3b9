import { test } from "node:test";
import { assertNoLeaks, leakTitle } from "../support/network-leaks.js";

test(`cni: ${leakTitle}`, (t) => assertNoLeaks(t, "cni"));
