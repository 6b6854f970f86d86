package demo

// The names of the files that the agent knows.
const (
	loginFile = "login.sh"
	testFile  = "test.sh"
	otherFile = "DEVS-DEMO.md"
)

// The bug and its mending: for an unknown user the stored password is empty, and equal to an empty one.
const (
	buggyLine = `if [ "$stored" = "$password" ]; then`
	fixedLine = `if [ -n "$stored" ] && [ "$stored" = "$password" ]; then`
)

// Repository gives the files of the demonstration's repository by their paths. test.sh fails, because of a bug
// in login.sh that the agent mends.
func Repository() map[string]string {
	return map[string]string{
		"README.md": `# hello

A door with a list of guests.

    sh login.sh alice wonderland    prints "welcome alice"
    sh test.sh                      runs the tests
`,
		"users.txt": "alice:wonderland\nbob:builder\n",
		loginFile: `# login.sh USER PASSWORD: lets a user in whose password is the one in users.txt.
# Ends with 0 if the user may enter, with 1 if not.
user=$1
password=$2
stored=

while IFS=: read -r name secret; do
	if [ "$name" = "$user" ]; then
		stored=$secret
	fi
done <users.txt

` + buggyLine + `
	echo "welcome $user"
	exit 0
fi
echo "access denied"
exit 1
`,
		testFile: `# test.sh: the tests of login.sh. Ends with 0 if all pass.
failed=0

# check EXIT USER PASSWORD
check() {
	sh login.sh "$2" "$3" >/dev/null
	if [ $? -eq "$1" ]; then
		echo "ok      '$2' with '$3'"
	else
		echo "FAILED  '$2' with '$3'"
		failed=1
	fi
}

check 0 alice wonderland
check 0 bob builder
check 1 alice builder
check 1 alice ''
check 1 mallory wonderland
check 1 mallory ''
exit $failed
`,
	}
}
