// Uses the page /docs as a person does. Usage: node docs_page.mjs <url of the server> <path of Chromium> [folder for pictures]
// Prints one JSON object with what was seen.

import { chromium } from "playwright-core";

const [url, executablePath, pictures] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
const complaints = [];

async function newPage(options) {
  const page = await browser.newPage(options);
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("requestfailed", (request) => complaints.push(`${request.url()} ${request.failure().errorText}`));
  return page;
}

async function seen(form) {
  await form.locator(".reply").waitFor();
  return {
    status: await form.locator(".code").innerText(),
    time: await form.locator(".time").innerText(),
    headers: await form.locator(".headers").textContent(),
    content: await form.locator(".content").innerText(),
  };
}

const results = {};
try {
  const page = await newPage({ viewport: { width: 1200, height: 900 } });
  await page.goto(`${url}/docs`);
  const predict = page.locator("#predict form");
  await predict.getByRole("button", { name: "Send" }).click();
  results.clicked = await seen(predict);
  results.curl = await predict.locator(".curl code").innerText();

  const copy = predict.getByRole("button", { name: "Copy" });
  await copy.click();
  results.copied = [await predict.locator(".copy").innerText(), await page.evaluate(() => String(getSelection()))];

  await predict.getByLabel("Example").selectOption("strData");
  results.example = await predict.getByLabel("Body").inputValue();
  await predict.getByLabel("Body").fill("{");
  results.complaint = await predict.getByRole("alert").innerText();
  await predict.getByLabel("Body").fill(`{"strData": "it's me"}`);
  results.quoted = await predict.locator(".curl code").innerText();
  const answered = page.waitForResponse(/predictions/);
  await predict.getByLabel("Body").press("Control+Enter");
  await answered;
  await page.waitForFunction(() => document.querySelector("#predict .content").textContent.includes("it's me"));
  results.typed = await seen(predict);

  // By keyboard alone: open the operation of a unit, choose, send.
  const unit = page.locator("#unitStatus");
  await unit.locator("summary").first().focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  results.focused = await page.evaluate(() => document.activeElement.name);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  results.byKeyboard = await seen(unit.locator("form"));

  const phone = await newPage({ viewport: { width: 360, height: 740 }, colorScheme: "dark" });
  await phone.goto(`${url}/api/v1.0/doc/`);
  if (pictures) await page.screenshot({ path: `${pictures}/wide.png` });
  await phone.locator("#predict form").getByRole("button", { name: "Send" }).click();
  results.onPhone = await seen(phone.locator("#predict form"));
  if (pictures) await phone.screenshot({ path: `${pictures}/narrow.png`, fullPage: true });
  results.phoneWidth = await phone.evaluate(() => document.documentElement.scrollWidth);
  results.darkPage = await phone.evaluate(() => getComputedStyle(document.body).backgroundColor);
} finally {
  await browser.close();
}
console.log(JSON.stringify({ ...results, complaints }));
