package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/oidc"
)

// descopeType is a project of Descope, used through its OpenID Connect application. Descope takes the project's id for
// a client id and an access key for the client secret.
func descopeType() sdk.Type {
	client := sdk.ClientSettings("OAUTH_DESCOPE")
	client[0].Help = "Project ID, or the client ID of a federated application other than the default one."
	client[1].Help = "Access key of the project, or the client secret of that application."
	return sdk.Type{
		Name: "descope", Label: "Descope", DocsURL: "https://app.descope.com/applications",
		Scopes: []string{"openid", "profile", "email"}, Identifier: "email", Prompts: []string{"login"},
		Settings: append(append(client,
			sdk.Setting{
				Name: "project_id", Env: "OAUTH_DESCOPE_PROJECT_ID", Pattern: `[A-Za-z0-9]+`,
				Help: "Project ID, where the client ID is another; the issuer ends in it.",
			},
			sdk.Setting{
				Name: "base_url", Env: "OAUTH_DESCOPE_BASE_URL", Default: "https://api.descope.com", Pattern: `https?://[^\s?#]+`,
				Help: "Address of Descope's API: that of the project's region, or a custom domain.",
			}),
			oidc.Tuning("OAUTH_DESCOPE")...),
		New: newProvider,
	}
}

func newProvider(ctx context.Context, cfg sdk.Config) (sdk.Provider, error) {
	project := cfg.Settings["project_id"]
	if project == "" {
		project = cfg.Settings["client_id"]
	}
	config := oidc.FromSettings(cfg)
	config.IssuerSetting = "base_url"
	config.Issuer = strings.TrimRight(cfg.Settings["base_url"], "/") + "/" + url.PathEscape(project)
	p, err := oidc.New(ctx, cfg, config)
	var typed *sdk.Error
	if errors.As(err, &typed) && typed.HTTPStatus == http.StatusNotFound {
		setting := "client_id"
		if cfg.Settings["project_id"] != "" {
			setting = "project_id"
		}
		typed.Diagnostics = append(typed.Diagnostics, sdk.Diagnostic{
			Severity: sdk.SeverityError, Setting: setting, Summary: "is no project there",
			Detail: "copy the Project ID from Project Settings; set project_id where client_id is that of a federated application",
		})
	}
	return p, err
}
