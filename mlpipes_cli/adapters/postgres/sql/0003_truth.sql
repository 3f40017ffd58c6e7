-- What the truth of a prediction is now: the last thing that was said about it.
alter table serving.ground_truth
    add column source text;

-- What was said before and corrected: never more than one line at a time is the truth, but what was
-- believed at which moment can be told.
create table serving.ground_truth_history (
    prediction_id  uuid         not null,
    value          jsonb        not null,
    received_at    timestamptz  not null,
    source         text,
    replaced_at    timestamptz  not null default clock_timestamp(),
    primary key (prediction_id, replaced_at)
);

-- A trigger, so that no correction is lost: not of two at the same moment, not of one by hand.
create function serving.keep_replaced_truth() returns trigger language plpgsql as $$
begin
    if new.value is distinct from old.value then
        insert into serving.ground_truth_history (prediction_id, value, received_at, source)
        values (old.prediction_id, old.value, old.received_at, old.source);
    end if;
    return new;
end
$$;

create trigger ground_truth_is_corrected before update on serving.ground_truth
    for each row execute function serving.keep_replaced_truth();
