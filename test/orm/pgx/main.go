// pgx HOST DATABASE: Go's pgx, which sends parameters in binary, and its copy protocol.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

var ctx = context.Background()
var db *pgx.Conn

type product struct {
	ID    int64
	Title string
}

func check(holds bool, what string, arguments ...any) error {
	if holds {
		return nil
	}
	return fmt.Errorf(what, arguments...)
}

func text(sql string, arguments ...any) (answer string, err error) {
	err = db.QueryRow(ctx, sql, arguments...).Scan(&answer)
	return
}

func connects() error {
	role, err := text("SELECT current_user")
	return errors.Join(err, check(role == "orm_shop", "connected as %q", role))
}

func tracks() error {
	status, err := text("SELECT personalize.track($1, $2, $3, $4, ts => $5)::text", "17", "view_item", "2", map[string]any{"a": 1}, time.Now().Format(time.RFC3339))
	if err = errors.Join(err, check(status == "accepted", "track: %q", status)); err != nil {
		return err
	}
	status, err = text("SELECT personalize.track($1::bigint, $2, $3::int)::text", int64(17), "view_item", 2)
	if err = errors.Join(err, check(status == "accepted", "track of numbers: %q", status)); err != nil {
		return err
	}
	// the bytes of this number are "1234": it is refused, not taken for them
	if _, err = text("SELECT personalize.track($1, 'view_item')::text", int32(825373492)); err == nil {
		return errors.New("a number was bound to a text")
	}
	if _, err = text("SELECT personalize.track(17, 'view_item', $1)::text", int32(825373492)); err != nil {
		return nil
	}
	garbage, err := text("SELECT count(*)::text FROM personalize.recent('17', NULL, 'personalization') WHERE item_id = '1234'")
	return errors.Join(err, check(garbage == "0", "a number became the characters of its bytes"))
}

func inserts() error {
	batch := &pgx.Batch{}
	for i := 1; i <= 5; i++ {
		batch.Queue("INSERT INTO personalize.inbox (user_id, event, item_id) VALUES ($1, $2, $3) ON CONFLICT (message_id) DO NOTHING RETURNING message_id",
			"17", "view_item", fmt.Sprint(i))
	}
	results := db.SendBatch(ctx, batch)
	ids := map[string]bool{}
	for i := 1; i <= 5; i++ {
		var id string
		if err := results.QueryRow().Scan(&id); err != nil {
			return err
		}
		ids[id] = true
	}
	if err := errors.Join(results.Close(), check(len(ids) == 5, "%d ids", len(ids))); err != nil {
		return err
	}
	columns := []string{"user_id", "event", "item_id", "ts", "properties"}
	rows := [][]any{{"17", "view_item", "1", time.Now(), `{"a": 1}`}, {"17", "view_item", "2", time.Now(), nil}}
	count, err := db.CopyFrom(ctx, pgx.Identifier{"personalize", "inbox"}, columns, pgx.CopyFromRows(rows))
	if err = errors.Join(err, check(count == 2, "%d rows copied", count)); err != nil {
		return err
	}
	if _, err = db.CopyFrom(ctx, pgx.Identifier{"personalize", "inbox"}, columns[:3], pgx.CopyFromRows([][]any{{"17", "view_item", int32(825373492)}})); err == nil {
		return errors.New("a number was copied into a text")
	}
	return nil
}

func consents() error {
	if _, err := db.Exec(ctx, "SELECT personalize.grant_consent($1, $2, $3)", "orm", []string{"analytics", "personalization"}, nil); err != nil {
		return err
	}
	allowed, err := text("SELECT allowed::text FROM personalize.consent_of($1) WHERE purpose = 'analytics'", "orm")
	return errors.Join(err, check(allowed == "true", "allowed: %s", allowed))
}

func recommends() error {
	rows, err := db.Query(ctx, "SELECT p.id, p.title FROM personalize.recommend($1, $2) r JOIN products p ON p.id = r.item_key WHERE r.item_id <> $1 ORDER BY r.rank", "17", 3)
	if err != nil {
		return err
	}
	products, err := pgx.CollectRows(rows, pgx.RowToStructByPos[product])
	return errors.Join(err, check(len(products) == 3 && products[0].Title != "", "recommended: %v", products))
}

func features() error {
	count, err := text("SELECT count(*)::text FROM personalize.features($1, purpose => 'personalization') WHERE signal = 'item_affinity'", "17")
	return errors.Join(err, check(count != "0", "no features"))
}

func rollsBack() error {
	tx, err := db.Begin(ctx)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "INSERT INTO orders (customer_id, product_id) VALUES ($1, $2)", "17", 1)
	_, err2 := tx.Exec(ctx, "SELECT personalize.track($1, 'purchase', $2, message_id => $3)", "17", "1", "pgx rolled back")
	if err = errors.Join(err, err2, tx.Rollback(ctx)); err != nil {
		return err
	}
	orders, err := text("SELECT count(*)::text FROM orders")
	status, err2 := text("SELECT personalize.track('17', 'purchase', '1', message_id => 'pgx rolled back')::text")
	return errors.Join(err, err2, check(orders == "0" && status == "accepted", "%s orders, %s", orders, status))
}

func isTold() error {
	if _, err := db.Exec(ctx, "SET personalize.on_bad_row = error"); err != nil {
		return err
	}
	_, err := db.Exec(ctx, "INSERT INTO personalize.inbox (user_id, event) VALUES ('17', 'view_item'), ('17', $1)", "")
	var told *pgconn.PgError
	if !errors.As(err, &told) {
		return fmt.Errorf("the event was taken: %v", err)
	}
	_, err = db.Exec(ctx, "RESET personalize.on_bad_row")
	return errors.Join(err, check(strings.Contains(told.Message, "row 2: event must not be empty") && told.ColumnName == "event", "%v", told))
}

func leavesAlone() error {
	lost, err := text("SELECT count(*)::text FROM public.orm_lost")
	return errors.Join(err, check(lost == "0", "%s objects are lost", lost))
}

func main() {
	var err error
	if db, err = pgx.Connect(ctx, fmt.Sprintf("host=%s dbname=%s user=orm_shop", os.Args[1], os.Args[2])); err != nil {
		fmt.Println("Bail out!", err)
		os.Exit(1)
	}
	steps := []struct {
		name string
		run  func() error
	}{
		{"connects as a role that was granted what the documents say", connects}, {"tracks", tracks},
		{"inserts many events and has their ids back", inserts}, {"records consent", consents},
		{"reads recommendations joined to products, as objects", recommends}, {"reads features", features},
		{"rolls an order and its events back together", rollsBack}, {"is told what is wrong with an event", isTold},
		{"leaves everything alone (it has no migration tool)", leavesAlone},
	}
	fmt.Printf("1..%d\n", len(steps))
	failed := 0
	for i, step := range steps {
		if err := step.run(); err != nil {
			failed = 1
			fmt.Printf("not ok %d - pgx %s\n# %s\n", i+1, step.name, strings.ReplaceAll(err.Error(), "\n", "\n# "))
		} else {
			fmt.Printf("ok %d - pgx %s\n", i+1, step.name)
		}
	}
	os.Exit(failed)
}
