#!/bin/bash
# Starts Bacularis as root in its container: PHP and nginx, both or neither. The image's own start script lets nginx
# go on without PHP, and writes to the image. Rendered by vmb.
set -eu
web=${WEB_USER:-www-data}
for fpm in /usr/sbin/php-fpm[0-9]*; do :; done
version=${fpm##*fpm}

# Logs go to the journal. All folders here are in memory.
mkdir -p /var/log/nginx "/var/log/php$version" /run/nginx /run/php
ln -sf /dev/stdout /var/log/nginx/access.log
for log in nginx/error.log "php$version-fpm.log" "php$version/error.log"; do
  ln -sf /dev/stderr "/var/log/$log"
done
mkdir -p -m 1777 /tmp/sessions
<%~ it.before %>

"$fpm" --nodaemonize --force-stderr &
nginx -g 'daemon off;' &
stop() { kill -QUIT $(jobs -p) 2>/dev/null || :; }
trap stop TERM INT QUIT
wait -n || :
stop
wait
