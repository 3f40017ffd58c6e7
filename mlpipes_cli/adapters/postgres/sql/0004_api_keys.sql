-- The API's keys: never a key itself. A revoked one stays, so that it is known that keys were made.
create table serving.api_keys (
    id            text         primary key,
    name          text         not null,
    hash          bytea        not null check (octet_length(hash) = 32),
    created_at    timestamptz  not null default now(),
    revoked_at    timestamptz,
    last_used_at  timestamptz
);

create unique index api_keys_name on serving.api_keys (name) where revoked_at is null;
