package hooks_test

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/hooks"
)

// every returns Hooks with each function set, recording that it ran.
func every(name string, ran *[]string, err error) hooks.Hooks {
	var h hooks.Hooks
	v := reflect.ValueOf(&h).Elem()
	for i := range v.NumField() {
		field := v.Type().Field(i).Name
		if !v.Type().Field(i).IsExported() {
			continue // what Check returns
		}
		v.Field(i).Set(reflect.MakeFunc(v.Field(i).Type(), func([]reflect.Value) []reflect.Value {
			*ran = append(*ran, name+"."+field)
			return []reflect.Value{reflect.ValueOf(&err).Elem()}
		}))
	}
	return h
}

// call runs the named function of h on a zero value.
func call(ctx context.Context, h hooks.Hooks, field string) error {
	f := reflect.ValueOf(h).FieldByName(field)
	if f.IsNil() {
		return nil
	}
	arg := reflect.New(f.Type().In(1).Elem())
	err, _ := f.Call([]reflect.Value{reflect.ValueOf(ctx), arg})[0].Interface().(error)
	return err
}

// TestJoin goes through the fields by reflection, so that a new one cannot be forgotten in
// Join.
func TestJoin(t *testing.T) {
	failed := errors.New("failed")
	for i := range reflect.TypeFor[hooks.Hooks]().NumField() {
		if !reflect.TypeFor[hooks.Hooks]().Field(i).IsExported() {
			continue
		}
		field := reflect.TypeFor[hooks.Hooks]().Field(i).Name
		t.Run(field, func(t *testing.T) {
			var ran []string
			all := hooks.Join(every("a", &ran, nil), hooks.Hooks{}, every("b", &ran, nil), every("c", &ran, nil))
			require.NoError(t, call(t.Context(), all, field))
			require.Equal(t, []string{"a." + field, "b." + field, "c." + field}, ran)

			ran = nil // HK-01: the first error stops the rest
			all = hooks.Join(every("a", &ran, nil), every("b", &ran, failed), every("c", &ran, nil))
			require.ErrorIs(t, call(t.Context(), all, field), failed)
			require.Equal(t, []string{"a." + field, "b." + field}, ran)

			ran = nil
			require.NoError(t, call(t.Context(), hooks.Join(every("a", &ran, nil)), field))
			require.Equal(t, []string{"a." + field}, ran)
		})
	}
	require.True(t, reflect.ValueOf(hooks.Join()).IsZero(), "no hooks, no functions")
	require.True(t, reflect.ValueOf(hooks.Join(hooks.Hooks{}, hooks.Hooks{})).IsZero())
}

func TestJoinPassesTheValueOn(t *testing.T) {
	add := func(value string) hooks.Hooks {
		return hooks.Hooks{APIRequest: func(_ context.Context, r *http.Request) error {
			r.Header.Set("X-Seen", r.Header.Get("X-Seen")+value)
			return nil
		}}
	}
	r := &http.Request{Header: http.Header{}}
	require.NoError(t, hooks.Join(add("1"), add("2")).APIRequest(t.Context(), r))
	require.Equal(t, "12", r.Header.Get("X-Seen"))
}
