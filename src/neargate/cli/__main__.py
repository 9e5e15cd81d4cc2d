from neargate.cli import main

main()
