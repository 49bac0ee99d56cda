package oidc

import (
	"fmt"
	"testing"
	"time"

	goidc "github.com/coreos/go-oidc/v3/oidc"

	"github.com/authd/authd/sdk/oauth2"
)

// Threat 26: what was verified is good for one more look, soon after, at the very same token.
func TestOpenedIsHandedOutOnce(t *testing.T) {
	now := time.Now()
	var o opened
	claims, token := oauth2.Object{"sub": []byte(`"ada"`)}, &goidc.IDToken{Subject: "ada"}
	o.put("a.b.c", claims, token, now)
	if _, _, ok := o.take("a.b.C", now); ok {
		t.Error("another token was taken for it")
	}
	got, gotToken, ok := o.take("a.b.c", now.Add(openedLife-1))
	if !ok || got.String("sub") != "ada" || gotToken != token {
		t.Errorf("got %v, %v, %v", got, gotToken, ok)
	}
	if _, _, ok := o.take("a.b.c", now); ok {
		t.Error("it was handed out twice")
	}
	o.put("a.b.c", claims, token, now)
	if _, _, ok := o.take("a.b.c", now.Add(openedLife)); ok {
		t.Error("it was handed out late")
	}
}

// Threat 136: logins that are never finished fill no memory, and keep no others from being remembered for long.
func TestOpenedIsBounded(t *testing.T) {
	now := time.Now()
	var o opened
	for i := range 3 * openedMax {
		o.put(fmt.Sprint(i), nil, nil, now)
	}
	if n := len(o.tokens); n != openedMax {
		t.Errorf("%d tokens are kept, want %d", n, openedMax)
	}
	o.put("later", nil, nil, now.Add(openedLife))
	if _, _, ok := o.take("later", now.Add(openedLife)); !ok || len(o.tokens) != 0 {
		t.Errorf("taken is %v, %d are left; want the old ones to make room", ok, len(o.tokens))
	}
}
