# Logs in to Bacularis by the form of its login page, as a browser does. Arguments: host, user, password. Prints the
# status and where it leads, then the page. The cookies are in /root/cookies.
set -eu
host=$1 user=$2 password=$3
jar=/root/cookies
rm -f "$jar"
browse() { curl --silent --cacert /root/site/tls/cert.pem --cookie "$jar" --cookie-jar "$jar" "$@"; }
page=$(browse --location "https://$host:9097/")
state=$(printf %s "$page" | sed -n 's/.*name="PRADO_PAGESTATE"[^>]*value="\([^"]*\)".*/\1/p')
button=$(printf %s "$page" | sed -n "s/.*'EventTarget':\"\([^\"]*LoginBtn\)\".*/\1/p")
action=$(printf %s "$page" | sed -n 's/.*<form[^>]*action="\([^"]*\)".*/\1/p')
# What is secret goes through files, as arguments are seen by everyone.
umask 077
printf %s "$password" >/root/password
browse --write-out '%{stderr}%{http_code} %{redirect_url}\n' --data-urlencode "PRADO_PAGESTATE=$state" \
  --data-urlencode "PRADO_POSTBACK_TARGET=$button" --data-urlencode "ctl0\$Main\$Username=$user" \
  --data-urlencode 'ctl0$Main$Password@/root/password' "https://$host:9097$action" 2>&1
rm /root/password
