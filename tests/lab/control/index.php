<?php
header('Content-Type: text/plain');
echo "stand-in for Bacularis\n";
