-- An alert is marked before it is sent. One whose process ended in between is not sent again.
alter table monitoring.deliveries
    drop constraint deliveries_state_check,
    add constraint deliveries_state_check check (state in ('waiting', 'sending', 'sent', 'dropped'));
