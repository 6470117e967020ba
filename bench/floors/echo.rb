# frozen_string_literal: true

# The floor under a Ruby function: one plain process that hands back what it is sent, with its length before it.
connection = IO.for_fd(0, 'r+b')
connection.sync = true
while (head = connection.read(4))
  connection.write(head, connection.read(head.unpack1('N')))
end
