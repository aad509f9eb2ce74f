/** How a Bacularis is, where it is not well. */
export interface FakeBacularis {
  /** Password of the API's user `vmb`. */
  readonly apiPassword: string;
  /** Password of the page's user `admin`. */
  readonly adminPassword: string;
  /** Whether its folders cannot be written: it says so on a page with status 200. */
  readonly readOnly?: boolean;
  readonly secondFactor?: boolean;
  /** Whether too many logins were tried. */
  readonly limited?: boolean;
  /** What the API answers instead of the catalog's rows. */
  readonly apiError?: number;
  /** What is answered, whatever was asked. */
  readonly always?: string;
}

/** Answers a request as Bacularis does: read in its code, and compared with it. The lab's stand-in runs in PHP. */
export function bacularisAnswer(request: string, fake: FakeBacularis): string {
  if (fake.always !== undefined) return fake.always;
  if (fake.readOnly) {
    const item = "Please make writeable the following directory: <b>API/Config</b>";
    return http(200, "<h2>Bacularis Web - Missing dependencies</h2><ul><li>" + item + "</li></ul>");
  }
  const [head = "", body = ""] = request.split("\r\n\r\n");
  const [, method = "", path = ""] = /^(\S+) (\S+) HTTP/.exec(head) ?? [];
  if (path.startsWith("/api/")) return apiAnswer(head, fake);
  if (path !== "/page,LoginPage") {
    return http(302, "", "Set-Cookie: PHPSESSID=abc; path=/; secure", "Location: /page,LoginPage");
  }
  if (!/^Cookie: PHPSESSID=abc$/m.test(head)) return http(500, "no session");
  if (method === "GET") return http(200, loginForm);
  if (fake.limited) return http(429, "");
  const form = new URLSearchParams(body);
  const complete = form.get("PRADO_PAGESTATE") === "st+at/e=" &&
    form.get("PRADO_POSTBACK_TARGET") === "ctl0$Main$LoginBtn";
  if (!complete) return http(200, `${loginForm} Invalid username or password`);
  const known = form.get("ctl0$Main$Username") === "admin" &&
    form.get("ctl0$Main$Password") === fake.adminPassword;
  if (!known) return http(200, `${loginForm} Invalid username or password`);
  return fake.secondFactor ? http(200, loginForm) : http(302, "", "Location: /page,Dashboard");
}

function apiAnswer(head: string, { apiPassword, apiError }: FakeBacularis): string {
  const given = /^Authorization: Basic (\S+)$/m.exec(head)?.[1] ?? "";
  if (atob(given) !== `vmb:${apiPassword}`) return http(401, "");
  const error = apiError ?? 0;
  return http(200, JSON.stringify({ output: error === 0 ? [] : "no catalog", error }));
}

const loginForm = `<form method="post" action="/page,LoginPage">
<input name="ctl0$Main$Username" type="text" /><input name="ctl0$Main$Password" type="password" />
<input type="text" name="PRADO_PAGESTATE" id="PRADO_PAGESTATE" value="st+at/e=" /></form>
<script>new Prado.WebUI.TLinkButton({'ID':"b",'EventTarget':"ctl0$Main$LoginBtn"});</script>`;

function http(status: number, body: string, ...headers: readonly string[]): string {
  return [`HTTP/1.1 ${status} x`, "Server: nginx", ...headers, "", body].join("\r\n");
}
