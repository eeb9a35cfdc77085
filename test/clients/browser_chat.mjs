// Opens the chat's page in two tabs of a headless Chromium and has two people talk:
//
//   CHAT_URL=http://127.0.0.1:8080/web/dev/ node browser_chat.mjs
//
// Exit code 0 when everything appeared, 1 when something did not. CHROMIUM names the browser (default /usr/bin/chromium); SCREENSHOT is where the
// last picture goes, also of a failure.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { chromium } from "playwright-core";

const url = process.env.CHAT_URL;
if (!url) {
  console.error("CHAT_URL is not set");
  process.exit(2);
}
const patience = Number(process.env.PATIENCE ?? 15_000); // ms for each thing to appear

const profile = await mkdtemp(join(tmpdir(), "chat-"));
let context;
let failed;
try {
  context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    viewport: { width: 1100, height: 700 },
    args: [
      "--no-sandbox", // the tests run as root in containers; the page is our own
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  context.setDefaultTimeout(patience);
  await talk(context);
} catch (error) {
  failed = error;
} finally {
  const pages = context?.pages() ?? [];
  if (process.env.SCREENSHOT && pages.length > 0) await pages.at(-1).screenshot({ path: process.env.SCREENSHOT });
  await context?.close();
  await rm(profile, { recursive: true, force: true });
}
if (failed) {
  console.error(failed);
  process.exit(1);
}
console.log("two tabs talked");

async function talk(context) {
  const ann = await tab(context, "Ann");
  const bob = await tab(context, "Bob");

  await enter(ann, "Ann", "lobby");
  await enter(bob, "Bob", "lobby");
  await line(ann, "Bob joined.");
  await bob.getByRole("list", { name: "Here now" }).getByText("Ann", { exact: true }).waitFor();
  await ann.getByRole("button", { name: /lobby/ }).getByText("2").waitFor();

  await say(ann, "hello from Ann");
  await line(bob, "hello from Ann");
  await line(ann, "hello from Ann"); // the sender gets it as a push as well
  await say(bob, "<b>hello</b> from Bob");
  await line(ann, "<b>hello</b> from Bob"); // shown as text

  await bob.getByLabel("Your name", { exact: true }).fill("Ben");
  await bob.getByRole("button", { name: "Change" }).click();
  await line(ann, "Bob is Ben now.");

  await bob.getByRole("button", { name: "Leave" }).click();
  await line(ann, "Ben left.");
  await enter(bob, "Ben", "lobby");
  await line(ann, "Ben joined.");

  await bob.reload(); // a connection that ends without a word to the backend
  await ann.getByRole("log").getByText("Ben left.").nth(1).waitFor();
  await enter(bob, "Ben", "lobby");
  await say(ann, "welcome back");
  await line(bob, "welcome back");
}

async function tab(context, who) {
  const page = await context.newPage();
  page.on("pageerror", (error) => (failed ??= new Error(`${who}'s page: ${error.message}`)));
  page.on("console", (message) => {
    if (message.type() === "error") failed ??= new Error(`${who}'s console: ${message.text()}`);
  });
  await page.goto(url);
  await page.getByRole("status").getByText("connected", { exact: true }).waitFor();
  return page;
}

async function enter(page, name, room) {
  await page.getByLabel("Your name", { exact: true }).fill(name);
  await page.getByLabel("Room", { exact: true }).fill(room);
  await page.getByRole("button", { name: "Join" }).click();
  await line(page, `You joined ${room} as ${name}.`);
}

async function say(page, text) {
  await page.getByLabel("Message", { exact: true }).fill(text);
  await page.getByRole("button", { name: "Send" }).click();
}

async function line(page, text) {
  await page.getByRole("log").getByText(text, { exact: true }).last().waitFor();
}
