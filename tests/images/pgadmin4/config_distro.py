# Read by pgAdmin's own configuration.
import logging

SERVER_MODE = True
DATA_DIR = "/var/lib/pgadmin"
LOG_FILE = "/dev/null"
CONSOLE_LOG_LEVEL = logging.WARNING
FILE_LOG_LEVEL = logging.CRITICAL
UPGRADE_CHECK_ENABLED = False
