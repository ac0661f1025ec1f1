// Opens the page /docs of a server that asks for tokens. Usage: node docs_page_token.mjs <url> <path of Chromium> <token> [picture]
// Prints one JSON object with what was seen.

import { chromium } from "playwright-core";

const [url, executablePath, token, picture] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
const results = {};
try {
  const page = await browser.newPage();
  await page.goto(`${url}/docs?oauth_token=${token}`);
  results.address = page.url();
  const predict = page.locator("#predict form");
  const send = async () => {
    const answered = page.waitForResponse(/predictions/);
    await predict.getByRole("button", { name: "Send" }).click();
    const response = await answered;
    const code = String(response.status());
    await page.waitForFunction((code) => document.querySelector("#predict .code").textContent.startsWith(code), code);
    return predict.locator(".code").innerText();
  };
  results.status = await send();
  results.curl = await predict.locator(".curl code").innerText();
  if (picture) await page.screenshot({ path: picture });
  await page.getByLabel("Token").fill("another");
  results.withAnother = await send();
} finally {
  await browser.close();
}
console.log(JSON.stringify(results));
