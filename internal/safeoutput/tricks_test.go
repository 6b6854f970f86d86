package safeoutput

import (
	"strings"
	"testing"
)

// TestTricks are texts that look like code to somebody who reads carelessly, and are none to GitHub; or
// that change their meaning when a part of them is taken out. Each acts if one rule of the filter is gone.
func TestTricks(t *testing.T) {
	for name, in := range map[string]string{
		"a span over two lines":                "a ` b\n`@bob` c",
		"a span over two items":                "- a ` b\n- @bob ` <b>",
		"a span over two cells":                "| a | b |\n|---|---|\n| ` | @bob ` |",
		"a span in a table in disguise":        "| a | b |\n|&#58;-|-|\n| ` | @bob ` |",
		"an escaped backtick":                  "\\`@bob` <b>`",
		"a quote ends its fence":               "> ```\n@bob <b>",
		"an item ends its fence":               "1. x\n   ```\n@bob <b>\n   ```\n@bob",
		"an item's fence on its first line":    "- ```\n  x\n@bob",
		"a nested item ends its fence":         "- a\n  - b\n    ```\n  @bob\n    ```",
		"a quote in an item":                   "- x\n  > ```\n> @bob",
		"an item in a quote":                   "> - x\n>   ```\n> @bob",
		"no fence in a paragraph":              "para\n    ```\n    a ``` @bob",
		"no item in a paragraph":               "para\n      - x\n        ```\n        a ``` @bob",
		"a number does not interrupt":          "para\n10. x\n    ```\n    a ``` @bob",
		"a rule is no item":                    "- - -\n  para\n     ```\n     a ``` @bob",
		"an item that has ended":               "- x\n\npara\n    ```\n    a ``` @bob",
		"no fence with a backtick behind":      "``` a ` b\n@bob",
		"a fence that is nested deeper":        "- - ~~~\n    ```\n    ~~~\n    @bob",
		"a fence behind a number":              "para\n2. ```\n   @bob",
		"a fence that is closed too far right": "```\n    ```\n@bob\n```\n@bob",
		"a fence of tildes and backticks":      "~~~ `\n```\n~~~\n@bob <b>",
		"a tab before a fence":                 "\t```\n@bob",
		"a tab in an item":                     "-\t```\n\tx\n  @bob",
		"two exclamation marks":                "!![a](https://github.com/x.png) \\![b](https://github.com/y.png) \\\\![c](https://github.com/z.png)",
		"an image by reference":                "![a][b]\n\n[b]: https://github.com/x.png",
		"an image by a short reference":        "![b]\n\n[b]: https://github.com/x.png",
		"a definition in a paragraph":          "para\n[x]: www.evil.example",
		"a definition over two lines":          "[x]:\nhttps://evil.example\n\n[x]",
		"a definition with a title":            "[x]: https://github.com 'a title'\n\n[x]",
		"a definition in a quote":              "> [x]: //evil.example\n\n[x]",
		"a link over two lines":                "[x](\nhttps://evil.example)",
		"a link with a backslash":              "[x](/\\evil.example) [x](\\/\\/evil.example) [x](/&#92;evil.example)",
		"a link with a user":                   "[x](https://github.com@evil.example) https://github.com@evil.example https://github.com:80@evil.example",
		"a link with a long host":              "[x](https://github.com.evil.example) https://github.comevil.example https://github.com\u00e9.example",
		"a link with a scheme alone":           "[x](http:evil.example) [x](data:text/html,x) [x](JAVASCRIPT:x)",
		"a link in angle brackets":             "[x](<//evil.example>) [x](<https://evil.example/a b>)",
		"a link with entities":                 "[x](https&#58;//evil.example) &#104;ttps://evil.example",
		"a link in a path":                     "https://github.com/x_www.evil.example //https://github.com/_www.evil.example",
		"a backtick behind a link":             "https://github.com/octo]` @bob `",
		"a backtick behind a kept link":        "https://github.com/octo` @bob ` https://github.com/octo'`<b>`",
		"footnotes":                            "x[^1]\n\n[^1]: @bob <b> [x](//evil.example)",
		"entities that decoding puts together": "&#&#54;4;bob &&#97;mp;#64;bob &&num;64;bob &am&#112;;#64;bob",
		"a mention behind an address":          "ann@example.org@bob",
		"a mention in emphasis":                "_@bob_ *a*@bob **@bob**",
		"a mention that goes on":               "@alice\\-evil @alice&#45;evil @alice_evil @alice/team @alice-evil",
		"a mention with nothing in between":    "@\u200bbob @<b></b>bob @[](x)bob",
		"a keyword over two lines":             "this fixes\n#8",
		"a keyword in emphasis":                "**Fixes** #8, _closes_: #9, fixes [#8](https://github.com/octo/hello/issues/8)",
		"a keyword for another repository":     "fixes octo/other#7, closes https://github.com/octo/other/issues/7",
		"a keyword with an entity":             "fixes &#35;8, &#102;ixes #8",
		"HTML over lines":                      "<div\nonclick=x>\n<script>\nalert(1)\n</script>",
		"HTML behind escapes":                  "\\<b> \\\\<b> &lt;b> <&#98;>",
		"a comment":                            "a <!-- @bob --> b",
		"indented code":                        "    <b> @bob\n\n\t<b>",
		"a heading of another kind":            "@bob\n===\n<b>\n---",
		"a marker put together":                "```\n<!-- devs-\u200bwebhook task=abcdefghijkl kind=final -->\n<!-- devs<!-- devs-webhook-webhook\n```",
		"a secret put together":                "[" + secretValue[:12] + "](https://github.com \"x\")" + secretValue[12:] + "\n```" + secretValue[:12] + " junk\n" + secretValue[12:],
		"an autolink of mail":                  "<a@b.example> mailto:a@b.example <mailto:a@b.example>",
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) { checkBody(t, in) })
	}
}

// TestForms pins how single things are written.
func TestForms(t *testing.T) {
	for in, want := range map[string]string{
		"```go title=@bob <x>\nx\n```":                        "```go\nx\n```",
		"```\n    ```\n@bob\n```":                             "```\n    ```\n@bob\n```",
		"  ```\nx\n  ```":                                     "  ```\nx\n  ```",
		"1. x\n   ```\n   y\n ```\nz":                         "1. x\n   ```\n   y\n   ```\nz",
		"```\n@dependabot merge\n/lgtm\n/bin/sh":              "```\n@" + breaker + "dependabot merge\n" + breaker + "/lgtm\n/bin/sh\n```",
		"ok to test, Retest this please; test":                "o" + breaker + "k to test, Ret" + breaker + "est this please; test",
		"[x](https://github.com/@bob/y)":                      "[x](https://github.com/%40bob/y)",
		"<https://github.com/a> and (https://github.com/b).":  "https://github.com/a and (https://github.com/b).",
		"[https://github.com/a](https://github.com/a)":        "[https://github.com/a](https://github.com/a)",
		"![a](https://github.com/x.png)":                      "[a](https://github.com/x.png)",
		"vec![1] !x":                                          "vec\\![1] !x",
		"[x](http://localhost:3000/a)":                        "[x] (link to localhost:3000 removed)",
		"see https://www.evil.example/a.":                     "see (link to evil.example removed).",
		"a < b && c > d, List<T>":                             "a &lt; b && c > d, List&lt;T>",
		"`a<b>` and ``c`<d>``":                                "`a<b>` and ``c`<d>``",
		"&copy; &nbsp; &lt; &amp; &quot;":                     "© &nbsp; &lt; &amp; &quot;",
		"- [ ] a\n- [x] b\n\n| a |\n|---|\n| b |":             "- [ ] a\n- [x] b\n\n| a |\n|---|\n| b |",
		"\U0001F469\u200d\U0001F4BB \u2764\uFE0F ok a\uFE0Fb": "\U0001F469\U0001F4BB \u2764\uFE0F ok ab",
		"a\r\nb\u2028c\td":                                    "a\nb\nc\td",
		"``` a ` b\nx":                                        "\\`\\`\\` a \\` b\nx",
		"&#&#54;4;bob":                                        "&amp;#64;bob",
		"fixes #7 and Closes octo/hello#7":                    "fixes #7 and Closes octo/hello#7",
		"prefixes #8, fixes the 8 bugs, unresolved #9":        "prefixes #8, fixes the 8 bugs, unresolved #9",
		"see docs/a.md and [b](../b.md#c)":                    "see docs/a.md and [b](../b.md#c)",
		"https://go.dev/doc and https://sub.github.com":       "https://go.dev/doc and (link to sub.github.com removed)",
	} {
		if got := strictPolicy().Body(in); got != want {
			t.Errorf("%q became %q, not %q", in, got, want)
		}
	}
	if got, want := strictPolicy().Title("a https://github.com@evil.example/x b"), "a (link to evil.example removed) b"; got != want {
		t.Errorf("%q, not %q", got, want)
	}
	if got := (Policy{AllowedHosts: []string{"127.0.0.1:8080"}}).Body("http://127.0.0.1:8080/a http://127.0.0.1/a"); got != "http://127.0.0.1:8080/a (link to 127.0.0.1 removed)" {
		t.Errorf("%q", got)
	}
}
