// lib/pq: simple and prepared statements, a pool, COPY, savepoints.
package main

import (
	"database/sql"
	"fmt"
	"os"

	"github.com/lib/pq"
)

func show(name string, value interface{}) { fmt.Printf("%s: %v\n", name, value) }

func must(err error) {
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

type asker interface {
	Query(string, ...interface{}) (*sql.Rows, error)
}

func rows(db asker, text string, values ...interface{}) [][]string {
	found, err := db.Query(text, values...)
	must(err)
	defer found.Close()
	columns, err := found.Columns()
	must(err)
	all := [][]string{}
	for found.Next() {
		cells := make([]sql.NullString, len(columns))
		places := make([]interface{}, len(columns))
		for i := range cells {
			places[i] = &cells[i]
		}
		must(found.Scan(places...))
		row := []string{}
		for _, cell := range cells {
			row = append(row, fmt.Sprintf("%v:%s", cell.Valid, cell.String))
		}
		all = append(all, row)
	}
	must(found.Err())
	return all
}

func code(err error) string {
	if problem, ok := err.(*pq.Error); ok {
		return string(problem.Code)
	}
	return fmt.Sprint(err)
}

func main() {
	for _, extra := range []string{"", " binary_parameters=yes"} {
		db, err := sql.Open("postgres", "host=127.0.0.1 sslmode=disable user=postgres port="+os.Args[1]+" dbname="+os.Args[2]+extra)
		must(err)
		db.SetMaxOpenConns(3)
		for i := 0; i < 3; i++ {
			show("all", rows(db, "select id, name, price, flag, made, tags, doc, key from things order by id"))
			for _, id := range []int{1, 2, 99} {
				show("one", rows(db, "select name, price from things where id = $1", id))
			}
		}
		statement, err := db.Prepare("select label from parts where thing_id = $1 order by id")
		must(err)
		for _, id := range []int{1, 2, 1} {
			found, err := statement.Query(id)
			must(err)
			count := 0
			for found.Next() {
				count++
			}
			show("prepared", count)
		}
		must(statement.Close())
		tx, err := db.Begin()
		must(err)
		_, err = tx.Exec("insert into notes (t) values ($1)", "kept")
		must(err)
		show("own write", rows(tx, "select t from notes"))
		must(tx.Commit())
		tx, err = db.Begin()
		must(err)
		_, err = tx.Exec("update notes set t = 'lost'")
		must(err)
		must(tx.Rollback())
		show("rolled back", rows(db, "select t from notes"))
		_, err = db.Exec("insert into things (id, name) values (1, 'x')")
		show("duplicate", code(err))
		tx, err = db.Begin()
		must(err)
		copier, err := tx.Prepare(pq.CopyIn("notes", "t"))
		must(err)
		for i := 0; i < 5; i++ {
			_, err = copier.Exec(fmt.Sprint(i))
			must(err)
		}
		_, err = copier.Exec()
		must(err)
		must(copier.Close())
		must(tx.Commit())
		show("copied", rows(db, "select t from notes order by t"))
		done, err := db.Exec("delete from notes")
		must(err)
		count, _ := done.RowsAffected()
		show("delete", count)
		must(db.Close())
	}
}
