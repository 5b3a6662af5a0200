package sessionstore

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"math"
	"time"
)

// decode reads a session, all of it and nothing more.
func decode(b []byte) (time.Time, map[string]any, error) {
	if len(b) == 0 || b[0] != codecVersion {
		return time.Time{}, nil, errVersion
	}
	d := decoder{rest: b[1:]}
	d.text = string(d.rest)
	deadline := d.time()
	n := d.length(2) // a key's length and a tag, at least
	values := make(map[string]any, n)
	for range n {
		key := d.string()
		values[key] = d.value()
	}
	if len(values) != n || len(d.rest) > 0 {
		d.fail(errDecode) // a key twice, or more than a session
	}
	return deadline, values, d.err
}

// A decoder keeps the first error and reads zeros after it.
type decoder struct {
	rest []byte
	text string // all of it, once: strings are parts of it and need no allocation
	err  error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
	d.rest = nil
}

func (d *decoder) value() any {
	switch tag := d.byte(); tag {
	case tagNil:
		return nil
	case tagFalse, tagTrue:
		return tag == tagTrue
	case tagString:
		return d.string()
	case tagBytes:
		return append([]byte{}, d.bytes()...)
	case tagTime:
		return d.time()
	case tagGob:
		return d.gob()
	case tagInt, tagInt8, tagInt16, tagInt32, tagInt64:
		return d.signed(tag)
	case tagUint, tagUint8, tagUint16, tagUint32, tagUint64:
		return d.unsigned(tag)
	case tagFloat32:
		return d.float32()
	case tagFloat64:
		return d.float64()
	}
	d.fail(errDecode)
	return nil
}

func (d *decoder) byte() byte {
	if len(d.rest) == 0 {
		d.fail(errDecode)
		return 0
	}
	b := d.rest[0]
	d.rest = d.rest[1:]
	return b
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.fail(errDecode)
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// length reads a number of things of which each takes size bytes or more, so that
// no number in a session can make us allocate much more than its own length.
func (d *decoder) length(size int) int {
	n := d.uvarint()
	if n > uint64(len(d.rest)/size) {
		d.fail(errDecode)
		return 0
	}
	return int(n)
}

// bytes returns a part of the session itself.
func (d *decoder) bytes() []byte {
	n := d.length(1)
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) string() string {
	n := d.length(1)
	at := len(d.text) - len(d.rest)
	if d.err != nil {
		return ""
	}
	d.rest = d.rest[n:]
	return d.text[at : at+n]
}

func (d *decoder) time() time.Time {
	var t time.Time
	if err := t.UnmarshalBinary(d.bytes()); err != nil {
		d.fail(errDecode)
	}
	return t
}

func (d *decoder) signed(tag byte) any {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.fail(errDecode)
		return nil
	}
	d.rest = d.rest[n:]
	switch {
	case tag == tagInt && int64(int(v)) == v:
		return int(v)
	case tag == tagInt8 && int64(int8(v)) == v:
		return int8(v)
	case tag == tagInt16 && int64(int16(v)) == v:
		return int16(v)
	case tag == tagInt32 && int64(int32(v)) == v:
		return int32(v)
	case tag == tagInt64:
		return v
	}
	d.fail(errDecode)
	return nil
}

func (d *decoder) unsigned(tag byte) any {
	v := d.uvarint()
	switch {
	case tag == tagUint && uint64(uint(v)) == v:
		return uint(v)
	case tag == tagUint8 && v <= math.MaxUint8:
		return uint8(v)
	case tag == tagUint16 && v <= math.MaxUint16:
		return uint16(v)
	case tag == tagUint32 && v <= math.MaxUint32:
		return uint32(v)
	case tag == tagUint64:
		return v
	}
	d.fail(errDecode)
	return nil
}

func (d *decoder) float64() float64 {
	if len(d.rest) < 8 {
		d.fail(errDecode)
		return 0
	}
	v := math.Float64frombits(binary.BigEndian.Uint64(d.rest))
	d.rest = d.rest[8:]
	return v
}

func (d *decoder) float32() float32 {
	v := d.float64()
	if f := float32(v); float64(f) == v || v != v {
		return f
	}
	d.fail(errDecode)
	return 0
}

// gob reads one value of the application's. Package gob promises no more than to
// try with data that somebody has tampered with, so a panic is an error here.
func (d *decoder) gob() (value any) {
	r := bytes.NewReader(d.bytes())
	defer func() {
		if p := recover(); p != nil {
			d.fail(errors.New("sessionstore: gob panicked"))
			value = nil
		}
	}()
	if err := gob.NewDecoder(r).Decode(&value); err != nil {
		d.fail(fmt.Errorf("sessionstore: %w", err))
		return nil
	}
	if r.Len() > 0 {
		d.fail(errDecode)
	}
	return value
}
