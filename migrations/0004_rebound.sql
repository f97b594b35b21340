-- A secret that no binding uses is not looked at, so what was newest when it was last bound may be so no more: nothing is chosen of it until
-- somebody has looked. From here on that is done where the last binding goes; here for those that went before.
update secret s
set state = 'Unseen', chosen_incarnation = null, chosen_number = null, chosen_created = null, problem = null
where not exists (select from binding_item i where i.secret_id = s.id);
