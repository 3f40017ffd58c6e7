#!/bin/sh
# Two databases, each owned by a role of its own; run once, when the server's folder is empty.
set -eu
for name in mlflow mlpipes; do
  variable="$(echo "$name" | tr '[:lower:]' '[:upper:]')_DB_PASSWORD"
  eval "password=\$$variable"
  psql -v ON_ERROR_STOP=1 -v name="$name" -v password="$password" --username "$POSTGRES_USER" --dbname postgres <<'SQL'
create role :"name" login password :'password';
create database :"name" owner :"name";
SQL
done
