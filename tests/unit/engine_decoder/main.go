// What the Docker engine reads in a body: a line in is a kind and a body in base64, a line out is
// what the engine's own types make of it, as JSON, or why they make nothing. With the argument
// "fields": the names of all fields that there are, at any depth.
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"reflect"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/volume"
)

type outcome struct {
	Body  any    `json:"body,omitempty"`
	Error string `json:"error,omitempty"`
}

func empty(kind string) any {
	switch kind {
	case "container":
		return &container.CreateRequest{}
	case "volume":
		return &volume.CreateRequest{}
	case "network":
		return &network.CreateRequest{}
	case "connect":
		return &network.ConnectRequest{}
	}
	panic(kind)
}

func read(kind string, body []byte) outcome {
	made := empty(kind)
	decoder := json.NewDecoder(bytes.NewReader(body))
	if err := decoder.Decode(made); err != nil {
		return outcome{Error: err.Error()}
	}
	if decoder.More() {
		return outcome{Error: "content after the body"}
	}
	return outcome{Body: made}
}

func collect(kind reflect.Type, into map[string]bool, seen map[reflect.Type]bool) {
	for kind.Kind() == reflect.Pointer || kind.Kind() == reflect.Slice || kind.Kind() == reflect.Map {
		kind = kind.Elem()
	}
	if kind.Kind() != reflect.Struct || seen[kind] {
		return
	}
	seen[kind] = true
	for i := range kind.NumField() {
		field := kind.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" {
			name = field.Name
		}
		if field.IsExported() && name != "-" {
			into[name] = true
		}
		collect(field.Type, into, seen)
	}
}

func main() {
	out := json.NewEncoder(os.Stdout)
	if len(os.Args) > 1 && os.Args[1] == "fields" {
		names, seen := map[string]bool{}, map[reflect.Type]bool{}
		for _, kind := range []string{"container", "volume", "network", "connect"} {
			collect(reflect.TypeOf(empty(kind)), names, seen)
		}
		_ = out.Encode(names)
		return
	}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<26)
	for in.Scan() {
		kind, encoded, _ := strings.Cut(in.Text(), " ")
		body, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			panic(err)
		}
		if err := out.Encode(read(kind, body)); err != nil {
			panic(err)
		}
	}
}
