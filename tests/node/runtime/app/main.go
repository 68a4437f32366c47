// The one program of all images: what it does is said by its arguments, one after another, and then it serves HTTP until it is
// asked to end. Words that it does not know are names of versions, and do nothing.
//
//	log-TEXT     says the text, with spaces for dashes
//	long         says nine lines of 4 KB each, and then why it ends
//	sleep-N      waits for N seconds
//	exit-N       ends with that code
//	once         ends with 3, unless it has done so in this pod before
//	eat          asks for memory until it is killed
//	fill         writes to /data until it is killed
//	deaf         does not listen to SIGTERM
//	rest         is all that a sandbox needs
//	after-N      ends well once the container is N seconds old, otherwise not; for probes
//	before-N     ends well until the container is N seconds old; for probes
//	fail-TEXT    ends badly, with the text; for probes and hooks
//
// Over HTTP, after-N, before-N and fail-TEXT are paths, and /api/v1/query answers as Prometheus does, with 1.
package main

import (
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// What a container keeps for as long as it lives, and a pod.
const (
	started = "/started"
	before  = "/dev/shm/once"
)

func main() {
	words := os.Args[1:]
	if len(words) == 1 && words[0] == "rest" {
		term := make(chan os.Signal, 1)
		signal.Notify(term, syscall.SIGTERM, syscall.SIGINT)
		<-term
		return
	}
	if len(words) == 1 && probe(words[0]) != nil {
		if answer := probe(words[0])(); answer != "" {
			fmt.Println(answer)
			os.Exit(1)
		}
		return
	}
	if os.Getpid() == 1 {
		_ = os.WriteFile(started, nil, 0o644)
		go serve()
	}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	deaf := false
	for _, word := range words {
		deaf = deaf || word == "deaf"
	}
	go func() {
		for range term {
			fmt.Println("asked to end")
			if !deaf {
				os.Exit(0)
			}
		}
	}()
	for _, word := range words {
		act(word)
	}
	if os.Getpid() == 1 {
		select {}
	}
}

func act(word string) {
	verb, rest, _ := strings.Cut(word, "-")
	switch verb {
	case "log":
		fmt.Println(strings.ReplaceAll(rest, "-", " "))
	case "long":
		for range 9 {
			fmt.Println(strings.Repeat("x", 4096))
		}
		fmt.Println("panic: the reason")
	case "sleep":
		time.Sleep(seconds(rest))
	case "exit":
		os.Exit(int(seconds(rest) / time.Second))
	case "once":
		if _, err := os.Stat(before); err != nil {
			_ = os.WriteFile(before, nil, 0o644)
			fmt.Println("the database is not up yet")
			os.Exit(3)
		}
	case "eat":
		var kept [][]byte
		for {
			page := make([]byte, 1<<20)
			for at := range page {
				page[at] = 1
			}
			kept = append(kept, page)
			_ = kept
		}
	case "fill":
		file, err := os.Create("/data/fill")
		for err == nil {
			_, err = file.Write(make([]byte, 1<<20))
			time.Sleep(100 * time.Millisecond)
		}
	}
}

// probe returns what a probe asks for: a check that answers with what is wrong.
func probe(word string) func() string {
	verb, rest, _ := strings.Cut(word, "-")
	switch verb {
	case "after":
		return func() string {
			if age() >= seconds(rest) {
				return ""
			}
			return "warming up"
		}
	case "before":
		return func() string {
			if age() < seconds(rest) {
				return ""
			}
			return "out of order"
		}
	case "fail":
		return func() string { return strings.ReplaceAll(rest, "-", " ") }
	}
	return nil
}

func age() time.Duration {
	file, err := os.Stat(started)
	if err != nil {
		return 0
	}
	return time.Since(file.ModTime())
}

func seconds(text string) time.Duration {
	number, _ := strconv.Atoi(text)
	return time.Duration(number) * time.Second
}

func serve() {
	answer := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/query" {
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[%d,"1"]}]}}`, time.Now().Unix())
			return
		}
		check := probe(strings.TrimPrefix(r.URL.Path, "/"))
		if check == nil {
			return
		}
		if wrong := check(); wrong != "" {
			http.Error(w, wrong, http.StatusServiceUnavailable)
		}
	}
	_ = http.ListenAndServe(":8080", http.HandlerFunc(answer))
}
