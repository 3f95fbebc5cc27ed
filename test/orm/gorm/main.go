// gorm HOST DATABASE: GORM, models of inbox and products, and its AutoMigrate.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"
)

var db *gorm.DB

type Product struct {
	ID    int64 `gorm:"primaryKey"`
	Title string
}

type Order struct {
	ID         int64 `gorm:"primaryKey"`
	CustomerID string
	ProductID  int64
}

// what docs/clients.md says: the key is given or made by the database
type Event struct {
	MessageID  string `gorm:"primaryKey;default:personalize_internal._new_message_id()"`
	UserID     string
	Event      string
	ItemID     *string
	Properties map[string]any `gorm:"serializer:json"`
}

func (Event) TableName() string { return "personalize.inbox" }

// one table of its own, which AutoMigrate makes
type GormVisit struct {
	ID   int64 `gorm:"primaryKey"`
	Page string
}

func check(holds bool, what string, arguments ...any) error {
	if holds {
		return nil
	}
	return fmt.Errorf(what, arguments...)
}

func scalar[T any](sql string, arguments ...any) (answer T, err error) {
	err = db.Raw(sql, arguments...).Scan(&answer).Error
	return
}

func item(id string) *string { return &id }

func connects() error {
	role, err := scalar[string]("SELECT current_user")
	return errors.Join(err, check(role == "orm_shop", "connected as %q", role))
}

func tracks() error {
	status, err := scalar[string]("SELECT personalize.track(?, ?, ?, ?::jsonb, ts => ?)", "17", "view_item", "2", `{"a": 1}`, time.Now().Format(time.RFC3339))
	if err = errors.Join(err, check(status == "accepted", "track: %q", status)); err != nil {
		return err
	}
	status, err = scalar[string]("SELECT personalize.track(?::bigint, ?, ?::int)", int64(17), "view_item", 2)
	return errors.Join(err, check(status == "accepted", "track of numbers: %q", status))
}

func inserts() error {
	events := []Event{}
	for i := 1; i <= 5; i++ {
		events = append(events, Event{UserID: "17", Event: "view_item", ItemID: item(fmt.Sprint(i)), Properties: map[string]any{"n": i}})
	}
	if err := db.Create(&events).Error; err != nil {
		return err
	}
	ids := map[string]bool{}
	for _, event := range events {
		ids[event.MessageID] = true
	}
	if err := check(len(ids) == 5 && !ids[""], "ids: %v", ids); err != nil {
		return err
	}
	// Save() updates a row with a key, and inserts it where there is none
	saved := Event{MessageID: "gorm saved", UserID: "17", Event: "view_item", ItemID: item("1")}
	if err := errors.Join(db.Save(&saved).Error, check(saved.MessageID == "gorm saved", "saved %q", saved.MessageID)); err != nil {
		return err
	}
	if err := db.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "message_id"}}, DoNothing: true}).Create(&saved).Error; err != nil {
		return err
	}
	read := db.First(&Event{}, "message_id = ?", "gorm saved").Error
	return check(errors.Is(read, gorm.ErrRecordNotFound), "inbox was read: %v", read)
}

func consents() error {
	if err := db.Exec("SELECT personalize.grant_consent(?, ?::text[], ?)", "orm", "{analytics,personalization}", nil).Error; err != nil {
		return err
	}
	allowed, err := scalar[bool]("SELECT allowed FROM personalize.consent_of(?) WHERE purpose = 'analytics'", "orm")
	return errors.Join(err, check(allowed, "analytics are not allowed"))
}

func recommends() error {
	var products []Product
	err := db.Joins("JOIN personalize.recommend(?, 3) r ON r.item_key = products.id AND r.item_id <> ?", "17", "17").Order("r.rank").Find(&products).Error
	return errors.Join(err, check(len(products) == 3 && products[0].Title != "", "recommended: %v", products))
}

func features() error {
	count, err := scalar[int64]("SELECT count(*) FROM personalize.features(?, purpose => 'personalization') WHERE signal = 'item_affinity'", "17")
	return errors.Join(err, check(count > 0, "no features"))
}

func rollsBack() error {
	failed := db.Transaction(func(tx *gorm.DB) error {
		return errors.Join(tx.Create(&Order{CustomerID: "17", ProductID: 1}).Error,
			tx.Create(&Event{MessageID: "gorm rolled back", UserID: "17", Event: "purchase", ItemID: item("1")}).Error, errors.New("the payment failed"))
	})
	orders, err := scalar[int64]("SELECT count(*) FROM orders")
	status, err2 := scalar[string]("SELECT personalize.track('17', 'purchase', '1', message_id => 'gorm rolled back')")
	return errors.Join(err, err2, check(failed.Error() == "the payment failed" && orders == 0 && status == "accepted", "%v, %d orders, %s", failed, orders, status))
}

func isTold() error {
	bad := []Event{{UserID: "17", Event: "view_item"}, {UserID: "17", Event: ""}}
	err := db.Transaction(func(tx *gorm.DB) error {
		if err := tx.Exec("SET LOCAL personalize.on_bad_row = error").Error; err != nil {
			return err
		}
		return tx.Create(&bad).Error
	})
	var told *pgconn.PgError
	if !errors.As(err, &told) {
		return fmt.Errorf("the event was taken: %v", err)
	}
	return check(strings.Contains(told.Message, "row 2: event must not be empty") && told.ColumnName == "event", "%v", told)
}

func leavesAlone() error {
	if err := db.AutoMigrate(&GormVisit{}); err != nil {
		return err
	}
	made, err := scalar[bool]("SELECT to_regclass('public.gorm_visits') IS NOT NULL")
	lost, err2 := scalar[int64]("SELECT count(*) FROM public.orm_lost")
	return errors.Join(err, err2, check(made && lost == 0, "made: %v, %d objects are lost", made, lost))
}

func main() {
	var err error
	dsn := fmt.Sprintf("host=%s dbname=%s user=orm_shop", os.Args[1], os.Args[2])
	if db, err = gorm.Open(postgres.Open(dsn), &gorm.Config{Logger: logger.Discard}); err != nil {
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
		{"has its migration tool leave everything alone", leavesAlone},
	}
	fmt.Printf("1..%d\n", len(steps))
	failed := 0
	for i, step := range steps {
		if err := step.run(); err != nil {
			failed = 1
			fmt.Printf("not ok %d - GORM %s\n# %s\n", i+1, step.name, strings.ReplaceAll(err.Error(), "\n", "\n# "))
		} else {
			fmt.Printf("ok %d - GORM %s\n", i+1, step.name)
		}
	}
	os.Exit(failed)
}
