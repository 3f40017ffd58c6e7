create schema if not exists serving;

-- One row a prediction; made_at is the time inside prediction_id (milliseconds), so a look-up by
-- identifier may name both and touch one partition.
create table serving.predictions (
    prediction_id  uuid              not null,
    caller_id      text,
    made_at        timestamptz       not null,
    model_name     text              not null,
    model_version  integer           not null,
    model_alias    text              not null,
    inputs         jsonb             not null,
    prediction     jsonb             not null,
    scores         jsonb,
    latency_ms     double precision  not null,
    primary key (prediction_id, made_at)
) partition by range (made_at);

create index predictions_made_at on serving.predictions (made_at);
create index predictions_model on serving.predictions (model_name, model_version, made_at);
create index predictions_caller_id on serving.predictions (caller_id) where caller_id is not null;

-- What fits no month that has a partition of its own.
create table serving.predictions_default partition of serving.predictions default;

create table serving.ground_truth (
    prediction_id  uuid         primary key,
    value          jsonb        not null,
    received_at    timestamptz  not null default now()
);
