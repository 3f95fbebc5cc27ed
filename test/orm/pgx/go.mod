module personalize/test/orm/pgx

go 1.23

require github.com/jackc/pgx/v5 v5.7.6
