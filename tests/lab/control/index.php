<?php
// Stands in for Bacularis: as strict as that where a configuration of ours could be wrong, and no more. What is checked,
// and what is answered, was read in bacularis-common (GeneralRequirements, ConfigIni, AuthBasic), bacularis-api
// (BaculumAPIServer) and bacularis-web (WebUserConfig, LoginPage), and compared with them.
const PROT = '/var/www/bacularis/protected';
const VENDOR = PROT . '/vendor/bacularis';
const API = VENDOR . '/bacularis-api/API';
const WEB = VENDOR . '/bacularis-web/Web';
const USERS = WEB . '/Config/users.conf';

/** Both servers are checked at each request of either. */
function requirements(): void {
  $folders = [__DIR__ . '/assets', API . '/Config', API . '/Logs', WEB . '/Config', WEB . '/Logs', PROT . '/runtime'];
  $missing = array_filter($folders, fn($folder) => !is_readable($folder) || !is_writable($folder));
  $extensions = array_filter(['json', 'dom', 'curl', 'ldap', 'pgsql'], fn($name) => !extension_loaded($name));
  if (!$missing && !$extensions) return;
  echo '<html><body><h2>Bacularis - Missing dependencies</h2><ul>';
  foreach ($missing as $folder) {
    echo '<li>Please make readable and writeable by the web server user the following directory: <b>',
      $folder, '</b></li>';
  }
  foreach ($extensions as $name) echo "<li>Please install <b>PHP $name module</b>.</li>";
  exit('</ul></body></html>');
}

function ini(string $path): array {
  return parse_ini_string((string) @file_get_contents($path), true, INI_SCANNER_RAW) ?: [];
}

/** As ConfigIni writes: onto the file, whole. */
function saveIni(string $path, array $config): bool {
  $text = '';
  foreach ($config as $section => $options) {
    $text .= "[$section]\n";
    foreach ($options as $key => $value) {
      foreach ((array) $value as $each) {
        $text .= $key . (is_array($value) ? '[]' : '') . ' = "' . str_replace('"', '\"', $each) . "\"\n";
      }
    }
    $text .= "\n";
  }
  umask(0077);
  return is_int(@file_put_contents($path, $text));
}

function passwordOk(string $file, string $user, string $password): bool {
  foreach (@file($file, FILE_IGNORE_NEW_LINES) ?: [] as $line) {
    [$name, $hash] = explode(':', $line, 2) + ['', ''];
    if ($name !== $user || $password === '') continue;
    // Crypto of bacularis-common takes no other form of SHA-512.
    return preg_match('/^\$6\$rounds=10000\$/', $hash) === 1 && hash_equals($hash, crypt($password, $hash));
  }
  return false;
}

function bconsole(array $config, string $command): array {
  ['bin_path' => $program, 'cfg_path' => $file, 'use_sudo' => $sudo] = $config['bconsole'];
  $words = [...($sudo === '1' ? ['sudo'] : []), $program, '-n', '-c', $file];
  $process = proc_open($words, [['pipe', 'r'], ['pipe', 'w'], ['pipe', 'w']], $pipes);
  fwrite($pipes[0], "gui on\n.api 2 nosignal api_opts=o\n$command\nquit\n");
  fclose($pipes[0]);
  $said = stream_get_contents($pipes[1]) . stream_get_contents($pipes[2]);
  return [proc_close($process), $said];
}

function answer(mixed $output, int $error): never {
  header('Content-Type: application/json');
  header('Baculum-API-Version: 0.2');
  exit(json_encode(['output' => $output, 'error' => $error]));
}

function api(string $path): never {
  $config = ini(API . '/Config/api.conf');
  [$user, $password] = [$_SERVER['PHP_AUTH_USER'] ?? '', $_SERVER['PHP_AUTH_PW'] ?? ''];
  $known = isset(ini(API . '/Config/basic.conf')[$user]);
  if (!$known || !passwordOk(API . '/Config/bacularis.users', $user, $password)) {
    header('WWW-Authenticate: Basic realm="Bacularis API"');
    http_response_code(401);
    exit;
  }
  $db = $config['db'];
  switch ($path) {
    case '/api/v2/welcome':
      answer('Welcome in the Baculum API.', 0);
    case '/api/v2/jobs':
      $link = @pg_connect("host={$db['ip_addr']} port={$db['port']} dbname={$db['name']} user={$db['login']} " .
        "password={$db['password']} connect_timeout=5");
      if ($link === false) answer('Cannot connect to the catalog', 1000);
      answer(pg_fetch_all(pg_query($link, 'SELECT jobid, name, jobstatus FROM job ORDER BY jobid DESC LIMIT 5')), 0);
    case '/api/v2/jobs/resnames':
      [$code, $said] = bconsole($config, '.jobs');
      answer($code === 0 ? $said : "Bconsole connection problem: $said", $code === 0 ? 0 : 4);
    case '/api/v2/jobs/run':
      $job = json_decode((string) file_get_contents('php://input'), true);
      [$code, $said] = bconsole($config, "run job=\"{$job['name']}\" level=Full yes");
      answer($said, $code === 0 && preg_match('/JobId=\d+/', $said) ? 0 : 50);
  }
  answer('Not found', 404);
}

function page(string $body): never {
  header('Content-Type: text/html;charset=UTF-8');
  exit("<!DOCTYPE html>\n<html><body>$body</body></html>\n");
}

function loginPage(string $message = '', string $factor = 'none'): never {
  $state = base64_encode(gzcompress(serialize(session_id())));
  page("<form id=\"ctl0_ctl1\" method=\"post\" action=\"/page,LoginPage\">$message
<input name=\"ctl0\$Main\$Username\" type=\"text\" /><input name=\"ctl0\$Main\$Password\" type=\"password\" />
<input type=\"text\" style=\"display:none\" name=\"PRADO_PAGESTATE\" id=\"PRADO_PAGESTATE\" value=\"$state\" />
</form><div id=\"login_2fa_modal\" style=\"display: $factor\"></div>
<script>new Prado.WebUI.TLinkButton({'ID':\"b\",'EventTarget':\"ctl0\$Main\$LoginBtn\"});</script>");
}

/** Prado takes a form only with the state of the page, and acts by the name of the button. */
function login(): never {
  if (($_POST['PRADO_PAGESTATE'] ?? '') === '' || ($_POST['PRADO_POSTBACK_TARGET'] ?? '') !== 'ctl0$Main$LoginBtn') {
    loginPage();
  }
  [$user, $password] = [$_POST['ctl0$Main$Username'] ?? '', $_POST['ctl0$Main$Password'] ?? ''];
  $file = ini(WEB . '/Config/settings.conf')['auth_basic']['user_file'];
  $account = ini(USERS)[$user] ?? null;
  if ($account === null || $account['enabled'] !== '1' || !passwordOk($file, $user, $password)) {
    sleep(1);
    loginPage('<span>Invalid username or password</span>');
  }
  if (!in_array($account['mfa'] ?? 'none', ['', 'none'], true)) loginPage('', 'block');
  session_regenerate_id(true);
  $_SESSION['user'] = $user;
  header('Location: /page,Dashboard', true, 302);
  exit;
}

function web(string $path): never {
  session_start();
  $host = ini(WEB . '/Config/hosts.conf')['Main'] ?? null;
  $complete = $host !== null && isset(ini(WEB . '/Config/settings.conf')['baculum']);
  if ($path === '/page,LoginPage') $_SERVER['REQUEST_METHOD'] === 'POST' ? login() : loginPage();
  if (!isset($_SESSION['user'])) {
    header('Location: /page,LoginPage', true, 302);
    exit;
  }
  if (!$complete) page('<h1>Web configuration wizard</h1>');
  if ($path === '/web/account' && $_SERVER['REQUEST_METHOD'] === 'POST') {
    $users = ini(USERS);
    $users[$_SESSION['user']] = ['mfa' => 'totp', 'totp_secret' => $_POST['secret']] + $users[$_SESSION['user']];
    if (!saveIni(USERS, $users)) http_response_code(500);
    page('saved');
  }
  page("<h1>Dashboard of {$_SESSION['user']}</h1>");
}

requirements();
$path = rtrim((string) parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH), '/') ?: '/';
// An image of the API has no page, and one of the page no API.
file_exists(API . '/Config/api.conf') ? api($path) : web($path);
